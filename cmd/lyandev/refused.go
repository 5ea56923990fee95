package main

// notHere says of flags and commands of Docker Compose that lyandev has not, why, and what to use instead. Flags have the name of their
// command before them, or none if they belong to all.
var notHere = map[string]string{
	"--compatibility": "lyandev names containers as Docker Compose v2 and later does (PROJECT-SERVICE-1) and applies deploy: as it is; `container_name` in the file " +
		"gives a container another name",
	"--all-resources": "lyandev makes the networks and volumes that services use; `docker network create` and `docker volume create` make others, which the file " +
		"can name as external",
	"--dry-run": "of the commands that change something only up and profile use can tell what they would do: `lyandev up --dry-run`, `lyandev profile use NAME --dry-run`",
	"--tls":     "lyandev talks to the engine of DOCKER_HOST; set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH",

	"build --push":       "lyandev pushes nothing: it builds for this machine; `docker push IMAGE` pushes what `lyandev config --images` lists",
	"build --memory":     "BuildKit has no memory limit, also under Docker Compose",
	"build --builder":    "lyandev builds with the BuildKit of the engine; `docker buildx build --builder NAME` uses another builder",
	"build --sbom":       "lyandev builds images for this machine without attestations; `docker buildx build --sbom` makes them",
	"build --provenance": "lyandev builds images for this machine without attestations; `docker buildx build --provenance` makes them",
	"build --print":      "lyandev does not use bake; `lyandev config --format json` prints the builds of the stack",
	"build --check":      "`docker buildx build --check` checks a Dockerfile",

	"watch":   "`lyandev up` watches the paths in develop.watch, also with -d; `lyandev up` attaches to a stack that runs, and `lyandev events -f` follows its edits",
	"push":    "it pushes nothing: `docker push IMAGE` pushes what `lyandev config --images` lists",
	"export":  "`docker export CONTAINER` does it; `lyandev ps -q SERVICE` prints the ID of the container",
	"commit":  "`docker commit CONTAINER IMAGE` does it; `lyandev ps -q SERVICE` prints the ID of the container",
	"publish": "it publishes nothing: `docker compose publish` works on the same file",
	"bridge":  "`docker compose bridge` works on the same file",

	"watch --prune":               "images that a rebuild replaces stay; `docker image prune` removes them",
	"config --no-normalize":       configIsTheStack,
	"config --no-path-resolution": configIsTheStack,
	"config --no-consistency":     configIsTheStack,
	"config --no-env-resolution":  configIsTheStack,
}

const configIsTheStack = "lyandev config prints the stack as it will run, not the file: `docker compose config` prints the file in that form"
