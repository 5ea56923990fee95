FROM python:{{.Version}}-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
{{- with .Parts.Path}} PYTHONPATH={{.}}{{end}}
WORKDIR /app
{{- with .Parts.Requirements}}
# The packages are a layer of their own: a change of the sources does not install them again.
COPY {{.}} ./
RUN pip install --no-cache-dir -r {{.}}
{{- end}}
{{- with .Parts.Server}}
RUN pip install --no-cache-dir {{.}}
{{- end}}
COPY . .
{{- with .Parts.Install}}
RUN pip install --no-cache-dir {{.}}
{{- end}}
{{- if .Port}}
EXPOSE {{.Port}}
{{- end}}
CMD {{list .Command}}
