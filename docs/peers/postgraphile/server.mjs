// PostGraphile 5 over the ground of `passerelle bench gateway`, one process for each core.
//   OWNER_DSN=… READER_DSN=… node server.mjs [port]
import cluster from "node:cluster";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { availableParallelism } from "node:os";
import pg from "pg";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

const { OWNER_DSN, READER_DSN, WORKERS = availableParallelism() } = process.env;

if (cluster.isPrimary) {
  const owner = new pg.Client({ connectionString: OWNER_DSN });
  await owner.connect();
  await owner.query("select set_config('peer.reader', $1, false)", [decodeURIComponent(new URL(READER_DSN).username)]);
  await owner.query(readFileSync(new URL("ground.sql", import.meta.url), "utf8"));
  await owner.end();
  for (let number = 0; number < WORKERS; number++) cluster.fork();
} else {
  const instance = postgraphile({
    extends: [PostGraphileAmberPreset],
    pgServices: [
      makePgService({
        connectionString: READER_DSN,
        schemas: ["peer"],
        poolConfig: { max: 8 },
        pgSettings: (context) => ({ "peer.rpps": context.node?.req.headers["x-rpps"] }),
      }),
    ],
    schema: { pgJITDisable: true, defaultBehavior: "-connection:filter +queryField:resource:list" },
    grafserv: { graphiql: false, websockets: false },
    grafast: { explain: false },
  });
  const server = createServer();
  await instance.createServ(grafserv).addTo(server);
  server.listen(Number(process.argv[2] ?? 5678), "127.0.0.1");
}
