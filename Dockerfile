# The broker and its agent in one small image. Two stages: build, then the two programs alone, as a
# user without rights and without a shell.
#
#   docker build -t tandem .
#   docker run --rm tandem demo

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package tandem --package gpu-probe \
    && mkdir -p /out/data /out/keys \
    && cp target/release/tandem target/release/gpu-probe /out/

# glibc, CA certificates and nothing else; user 65532 is `nonroot`.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/tandem /out/gpu-probe /usr/local/bin/
# Volumes take the owner of the folders that they cover. Data and keys lie apart.
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/keys /keys
USER 65532:65532
ENV TANDEM__LISTEN=0.0.0.0:8080 \
    TANDEM__DATA_DIR=/data \
    XDG_CONFIG_HOME=/keys
VOLUME ["/data", "/keys"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["tandem", "healthcheck", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["tandem"]
CMD ["serve"]
