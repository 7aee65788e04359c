# Two images, each one static binary on nothing:
#
#   docker build -t logpipe .                      the pipeline: logpipe starter, logpipe worker, …
#   docker build -t logpipe-dev --target dev .     what it needs on one machine: dev temporal, dev aws, dev analytics, …
#
# Both builders of Docker take it, BuildKit and the classic one, so it mounts nothing and names no frontend.

# The only image that is pulled. All that it needs are Go, a shell and CA certificates.
ARG GO_IMAGE=golang:1.26.8

# What BuildKit sets to the platform that builds, and the classic builder to nothing, which then stands for its own.
ARG BUILDPLATFORM

FROM --platform=${BUILDPLATFORM:-linux} ${GO_IMAGE} AS source
ENV CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false
WORKDIR /src
# Modules are a layer of their own, which a change of the code leaves alone.
COPY go.mod go.sum ./
RUN go mod download

FROM source AS build
COPY . .
ARG VERSION=dev
# The platform to build for, by BuildKit. Without it Go builds for the one it runs on.
ARG TARGETOS
ARG TARGETARCH
# timetzdata is Go's own copy of the time zones in the binary.
RUN GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -tags timetzdata -ldflags "-s -w -X main.version=${VERSION}" -o /out/logpipe ./cmd/logpipe
# An empty directory, to be copied.
WORKDIR /out/var/stage

# The development module is compiled as `go run ./dev` compiles it, so that a builder with a cache has nothing else to do.
FROM source AS build-dev
COPY dev/go.mod dev/go.sum dev/
RUN cd dev && go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
RUN cd dev && GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -o /out/dev .
WORKDIR /out/var/temporal

FROM scratch AS dev
COPY --from=build-dev /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
# A named volume that is mounted here takes over the owner.
COPY --from=build-dev --chown=65532:65532 /out/var/ /var/lib/logpipe/
COPY --from=build-dev /out/dev /logpipe-dev
ARG VERSION=dev
LABEL org.opencontainers.image.title="logpipe-dev" \
      org.opencontainers.image.description="Temporal, a local AWS, a sample analytics API and traffic for logpipe, for development only" \
      org.opencontainers.image.version="${VERSION}"
USER 65532:65532
# Temporal asks for the name of the user, which no file here tells.
ENV USER=logpipe HOME=/var/lib/logpipe
ENTRYPOINT ["/logpipe-dev"]

# The last one is what is built where no target is named.
FROM scratch AS logpipe
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /out/var/ /var/lib/logpipe/
COPY --from=build /out/logpipe /logpipe
ARG VERSION=dev
ARG REVISION=
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.title="logpipe" \
      org.opencontainers.image.description="Takes API Gateway logs from Kinesis to an analytics API" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
# Nobody in particular, by number: there are no names, and whoever checks that it is not root needs a number.
USER 65532:65532
# Where logpipe health asks, and Prometheus.
ENV LOGPIPE_METRICS_LISTEN=:9464
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["/logpipe", "health"]
ENTRYPOINT ["/logpipe"]
