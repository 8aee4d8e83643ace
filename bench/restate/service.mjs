// The same three workloads for restate-server, with the agent called through node's http.Agent (faster than fetch).
import * as restate from "@restatedev/restate-sdk";
import http from "node:http";

const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
const stub = new URL(process.env.STUB ?? "http://127.0.0.1:18999");

const post = (path, body) =>
  new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const request = http.request(
      { host: stub.hostname, port: stub.port, path, method: "POST", agent,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(text) } },
      (answer) => {
        let data = "";
        answer.on("data", (part) => (data += part));
        answer.on("end", () => resolve(JSON.parse(data)));
      });
    request.on("error", reject);
    request.end(text);
  });

const bench = restate.service({
  name: "bench",
  handlers: {
    empty: async () => ({ ok: true }),
    steps: async (ctx, input) => {
      let n = input.n ?? 0;
      for (let i = 0; i < 100; i++) n = await ctx.run(`s${i}`, () => n + 1);
      return { n };
    },
    debate: async (ctx, input) => {
      const results = [];
      for (let round = 1; round <= 3; round++)
        results.push({ round, results: await restate.RestatePromise.all(input.participants.map((participant) =>
          ctx.run("ask", () => post("/debate", { topic: input.topic, participant, round, previousRounds: results })))) });
      const synthesis = await ctx.run("synthesis", () => post("/synthesize", { topic: input.topic, debateResults: results }));
      return { topic: input.topic, results, synthesis };
    },
  },
});

restate.serve({ services: [bench], port: Number(process.env.PORT ?? 18980) });
