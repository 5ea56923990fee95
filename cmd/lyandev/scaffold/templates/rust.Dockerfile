FROM rust:{{.Version}}-slim-trixie AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release && cp target/release/{{.Parts.Name}} /usr/local/bin/app

FROM debian:trixie-slim
COPY --from=build /usr/local/bin/app /usr/local/bin/app
USER nobody
{{- if .Port}}
EXPOSE {{.Port}}
{{- end}}
CMD {{list .Command}}
