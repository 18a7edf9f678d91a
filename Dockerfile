# logfold as an image: built from the lockfile, run as the user node, with nothing in it but what runs.
# docker build -t logfold . && docker run --rm -p 127.0.0.1:8080:8080 -v logfold:/data logfold      the job board on the embedded log and SQLite

FROM node:26.10.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY backends backends
COPY test/contract test/contract
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:26.10.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY config config
COPY examples examples
# Data files go to ./data of the working directory, unless a command says otherwise: what verify keeps, also where nothing else is kept here.
RUN mkdir /data && chown node:node /data && ln -s /data data && chmod +x dist/src/bin.js && ln -s /app/dist/src/bin.js /usr/local/bin/logfold
USER node
VOLUME /data
EXPOSE 8080 9080
# Alive, not ready: a store or a Kafka that is away is no reason to start again.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.ADMIN_PORT ?? 9080}/livez`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The flag keeps the memory of a streaming API flat, as in the first line of the command.
ENTRYPOINT ["node", "--max-semi-space-size=4", "/app/dist/src/bin.js"]
# Other containers, and published ports, come from outside.
CMD ["start", "--data-dir", "/data", "--set", "http.host=0.0.0.0", "--set", "admin.host=0.0.0.0"]
