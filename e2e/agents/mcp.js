// A server of the Model Context Protocol over stdio, with one tool.
const fs = require("fs");
const log = (line) => fs.appendFileSync(process.argv[2], line + "\n");
log("started with TOKEN=" + process.env.TOKEN + " and MODE=" + process.env.MODE);
const results = {
  initialize: (message) => ({
    protocolVersion: message.params.protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "probe", version: "1.0" },
  }),
  "tools/list": () => ({
    tools: [
      {
        name: "probe_echo",
        description: "Echoes its text",
        inputSchema: { type: "object", properties: { text: { type: "string" } } },
      },
    ],
  }),
  ping: () => ({}),
};
require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    if (!line.trim()) return;
    const message = JSON.parse(line);
    log("asked for " + message.method);
    if (message.id === undefined) return;
    const result = results[message.method];
    const reply = result
      ? { result: result(message) }
      : { error: { code: -32601, message: "no such method" } };
    process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id: message.id, ...reply }) + "\n");
  });
