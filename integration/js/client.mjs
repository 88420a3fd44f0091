// OpenAI's JavaScript SDK as a client: `node client.mjs <base URL> <model>` does what follows and prints what it saw as JSON.
import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "sk-client", maxRetries: 0, timeout: 60_000 });
const messages = [{ role: "user", content: "Hello, wörld 🌍" }];
const tools = [
  {
    type: "function",
    function: { name: "weather", parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] } },
  },
];

async function failure(work) {
  try {
    await work();
  } catch (error) {
    return { class: error.constructor.name, status: error.status, code: error.code, message: error.message };
  }
  return null;
}

const seen = {};

const reply = await client.chat.completions.create({ model, messages });
seen.chat = reply.choices[0].message.content;
seen.finish = reply.choices[0].finish_reason;
seen.usage = reply.usage.total_tokens;

seen.stream = "";
seen.chunks = 0;
const stream = await client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } });
for await (const chunk of stream) {
  seen.chunks += 1;
  seen.stream += chunk.choices[0]?.delta?.content ?? "";
  seen.streamUsage = chunk.usage?.total_tokens ?? seen.streamUsage;
}

// The SDK's own accumulator judges the order of the chunks.
const runner = client.chat.completions.stream({ model, messages: [{ role: "user", content: "Bern" }], tools });
const final = await runner.finalChatCompletion();
const call = final.choices[0].message.tool_calls[0];
seen.call = { name: call.function.name, arguments: JSON.parse(call.function.arguments), finish: final.choices[0].finish_reason };

const told = [{ role: "user", content: "Bern" }, final.choices[0].message, { role: "tool", tool_call_id: call.id, content: "sunny" }];
seen.answer = (await client.chat.completions.create({ model, messages: told, tools })).choices[0].message.content;

seen.models = (await client.models.list()).data.map((each) => each.id);
seen.limited = await failure(() => client.chat.completions.create({ model: `${model}/rate-limited`, messages }));
seen.unknown = await failure(() => client.chat.completions.create({ model: "no-such-model", messages }));
seen.broken = await failure(async () => {
  for await (const _ of await client.chat.completions.create({ model: `${model}/breaks-off`, messages, stream: true }));
});

// Leaving in mid-stream must be nobody's trouble.
const left = await client.chat.completions.create({ model, messages, stream: true });
for await (const _ of left) break;

console.log(JSON.stringify(seen));
