# Two images from one build:
#
#   docker build -t bluegreen .                              the control plane, and its command line
#   docker build -t bluegreen-examples --target examples .   the model server and the load of docker-compose.yml
#
# `make image` makes them from binaries that cargo has built on this machine (PREBUILT=yes): in seconds, and without
# downloading crates inside the build. That machine must not have a newer C library than BASE.

ARG BUILDER=rust:1-bookworm
ARG BASE=debian:bookworm-slim

FROM ${BUILDER} AS build
ARG PREBUILT=no
WORKDIR /src
COPY . .
RUN docker/build "$PREBUILT" /out

FROM ${BASE} AS examples
COPY --from=build /out/fraud-model /out/load /usr/local/bin/
COPY examples/fraud-model/weights /usr/share/fraud-model/weights
USER nobody

FROM ${BASE} AS bluegreen
# A user of its own, and a data directory that belongs to it: a volume that is mounted there takes both over.
RUN useradd --system --uid 10001 --home-dir /var/lib/bluegreen --create-home bluegreen
COPY --from=build /out/bluegreen /usr/local/bin/
USER bluegreen
VOLUME /var/lib/bluegreen
# xDS, admin API, health. Only the first is meant for other machines.
EXPOSE 18000 18001 18002
ENV BLUEGREEN_DATA_DIR=/var/lib/bluegreen
ENTRYPOINT ["bluegreen"]
CMD ["serve"]
