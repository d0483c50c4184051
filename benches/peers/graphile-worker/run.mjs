// Works off JOBS jobs that do nothing, BATCH at a time, on the Postgres of DATABASE_URL, and prints the seconds it took.
import { makeWorkerUtils, run } from "graphile-worker";

const connectionString = process.env.DATABASE_URL;
const jobs = Number(process.env.JOBS);
const batch = Number(process.env.BATCH);
const quiet = { logger: undefined };

const utils = await makeWorkerUtils({ connectionString, ...quiet });
await utils.migrate();
await utils.withPgClient((client) =>
  client.query("SELECT count(*) FROM generate_series(1, $1) AS n, graphile_worker.add_job('nothing', json_build_object('n', n))", [jobs]),
);
await utils.release();

let done = 0;
let finish;
const all = new Promise((resolve) => (finish = resolve));
const start = performance.now();
const runner = await run({
  taskList: { nothing: async () => { if (++done === jobs) finish(); } },
  preset: {
    worker: {
      connectionString,
      concurrentJobs: batch,
      maxPoolSize: 10,
      pollInterval: 1000,
      // As the documentation advises where throughput counts: jobs are fetched and ended in batches.
      localQueue: { size: batch * 2 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
  noHandleSignals: true,
});
await all;
await runner.stop();
console.log((performance.now() - start) / 1000);
