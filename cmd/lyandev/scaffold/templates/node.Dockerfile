FROM node:{{.Version}}-slim
WORKDIR /app
# The packages are a layer of their own: a change of the sources does not install them again.
COPY package.json{{with .Parts.Lock}} {{.}}{{end}} ./
RUN {{.Parts.Install}}
COPY . .
{{- with .Parts.Build}}
RUN {{.}}
{{- end}}
{{- if .Port}}
EXPOSE {{.Port}}
{{- end}}
CMD {{list .Command}}
