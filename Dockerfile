# The production image: without the sandbox, without a shell, as a user without rights.
#
#   docker build -t alch .
#   docker run -p 8080:8080 -v alch-data:/data -v ./alch.toml:/etc/alch/alch.toml:ro --env-file secrets.env alch

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches live outside of the layers, so the binary is copied out of them. An empty directory becomes the volume: it
# has to exist with its owner before a volume is made from it, and the final image has no shell to make one.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --no-default-features --bin alch \
    && cp target/release/alch /alch \
    && mkdir /data

# The same Debian, so the same C library; it brings the roots for TLS. Time zones are in the binary.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /alch /usr/local/bin/alch
COPY --from=build --chown=nonroot:nonroot /data /data
# Variables rather than arguments, so that `docker exec … alch run "status dev"` finds them too. DATABASE_URL, when given,
# replaces the store's.
ENV ALCH_CONFIG=/etc/alch/alch.toml \
    ALCH__STORE__URL=sqlite:/data/alch.db
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/alch"]
CMD ["serve", "--config", "/etc/alch/alch.toml"]
