FROM maven:3-eclipse-temurin-{{.Version}} AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/root/.m2 mvn -B -DskipTests package && rm -f target/original-*.jar target/*-sources.jar && cp target/*.jar /app.jar

FROM eclipse-temurin:{{.Version}}-jre
COPY --from=build /app.jar /app.jar
USER nobody
EXPOSE {{.Port}}
CMD {{list .Command}}
