FROM golang:{{.Version}} AS build
WORKDIR /src
# The modules are a layer of their own: a change of the sources does not download them again.
COPY go.mod{{with .Parts.Sum}} {{.}}{{end}} ./
RUN go mod download
COPY . .
RUN --mount=type=cache,target=/root/.cache/go-build CGO_ENABLED=0 go build -o /out/app {{.Parts.Package}}

FROM debian:trixie-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/app /usr/local/bin/app
USER nobody
{{- if .Port}}
EXPOSE {{.Port}}
{{- end}}
CMD {{list .Command}}
