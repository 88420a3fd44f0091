// A proxy-wasm host of a page: drives the filter through one request again and again, without Envoy.
//
//   node host.mjs WASM WORK.json [SECONDS]
//
// It exists to see inside the module, where Envoy's V8 gives addresses without names: `node --cpu-prof` names the
// wasm functions of an unstripped build. Its times are the filter's own; a host call costs next to nothing here.
// WORK.json is made by `python -m bench inside`: {plugins: [config, ...], requestHeaders, request, responseHeaders,
// response, pieces}; bodies are file names. One plugin is the inline role, two are gateway and upstream.

import { readFileSync } from "node:fs";

const [file, workFile, seconds = "2"] = process.argv.slice(2);
const work = JSON.parse(readFileSync(workFile, "utf8"));
const request = readFileSync(work.request);
const response = readFileSync(work.response);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const calls = new Map();

let wasm;
let headers = { 0: [], 2: [] };
let buffers = {};
let state = new Map();
// What the workers of a real Envoy share: a value and its version by key.
const shared = new Map();

const view = () => new DataView(wasm.memory.buffer);
const read = (at, size) => new Uint8Array(wasm.memory.buffer, at, size);
const text = (at, size) => decoder.decode(read(at, size));
const allocate = wasm => size => (wasm.proxy_on_memory_allocate ?? wasm.malloc)(size);

function give(bytes, atPointer, sizePointer) {
  const at = bytes.length ? allocate(wasm)(bytes.length) : 0;
  read(at, bytes.length).set(bytes);
  view().setUint32(atPointer, at, true);
  view().setUint32(sizePointer, bytes.length, true);
  return 0;
}

function pairs(list) {
  const parts = list.map(([name, value]) => [encoder.encode(name), encoder.encode(value)]);
  const size = parts.reduce((sum, [name, value]) => sum + 8 + name.length + value.length + 2, 4);
  const out = new Uint8Array(size);
  const data = new DataView(out.buffer);
  data.setUint32(0, parts.length, true);
  let head = 4;
  let at = 4 + 8 * parts.length;
  for (const [name, value] of parts) {
    data.setUint32(head, name.length, true);
    data.setUint32(head + 4, value.length, true);
    head += 8;
    out.set(name, at);
    out.set(value, at + name.length + 1);
    at += name.length + value.length + 2;
  }
  return out;
}

function unpairs(at, size) {
  const data = new DataView(wasm.memory.buffer, at, size);
  const list = [];
  let head = 4;
  let place = at + 4 + 8 * data.getUint32(0, true);
  for (let left = data.getUint32(0, true); left > 0; left--, head += 8) {
    const [name, value] = [data.getUint32(head, true), data.getUint32(head + 4, true)];
    list.push([text(place, name), text(place + name + 1, value)]);
    place += name + value + 2;
  }
  return list;
}

function setHeader(map, name, value) {
  headers[map] = headers[map].filter(([known]) => known !== name);
  if (value !== null) headers[map].push([name, value]);
  return 0;
}

const env = {
  proxy_log: (level, at, size) => { if (level > 3) console.error(text(at, size)); return 0; },
  proxy_get_current_time_nanoseconds: at => { view().setBigUint64(at, 1700000000000000000n, true); return 0; },
  proxy_get_header_map_pairs: (map, at, size) => give(pairs(headers[map]), at, size),
  proxy_set_header_map_pairs: (map, at, size) => { headers[map] = unpairs(at, size); return 0; },
  proxy_get_header_map_value: (map, name, nameSize, at, size) => {
    const wanted = text(name, nameSize);
    const found = headers[map].find(([known]) => known === wanted);
    return found ? give(encoder.encode(found[1]), at, size) : 1;
  },
  proxy_replace_header_map_value: (map, n, ns, v, vs) => setHeader(map, text(n, ns), text(v, vs)),
  proxy_add_header_map_value: (map, n, ns, v, vs) => { headers[map].push([text(n, ns), text(v, vs)]); return 0; },
  proxy_remove_header_map_value: (map, n, ns) => setHeader(map, text(n, ns), null),
  proxy_get_buffer_bytes: (kind, start, max, at, size) => give((buffers[kind] ?? new Uint8Array()).subarray(start, start + (max >>> 0)), at, size),
  proxy_set_buffer_bytes: (kind, start, size, at, length) => {
    const old = buffers[kind];
    const end = Math.min(old.length, start + (size >>> 0));
    const out = Buffer.concat([old.subarray(0, start), read(at, length), old.subarray(end)]);
    buffers[kind] = out;
    return 0;
  },
  proxy_get_property: (path, pathSize, at, size) => {
    const found = state.get(text(path, pathSize));
    return found ? give(found, at, size) : 1;
  },
  proxy_set_property: (path, pathSize, at, size) => {
    state.set("filter_state\0wasm." + text(path, pathSize), read(at, size).slice());
    return 0;
  },
  proxy_get_shared_data: (key, keySize, at, size, version) => {
    const [bytes, cas] = shared.get(text(key, keySize)) ?? [];
    if (!bytes) return 1;
    view().setUint32(version, cas, true);
    return give(bytes, at, size);
  },
  proxy_set_shared_data: (key, keySize, at, size, version) => {
    const name = text(key, keySize);
    const cas = shared.get(name)?.[1] ?? 0;
    if (version && version !== cas) return 8;
    shared.set(name, [read(at, size).slice(), cas + 1]);
    return 0;
  },
  proxy_define_metric: (kind, name, size, id) => { view().setUint32(id, 1, true); return 0; },
  proxy_send_local_response: (status, d, ds, body, bodySize) => { throw new Error(`local reply ${status} ${text(body, bodySize)}`); },
};
const counted = new Proxy(env, {
  get: (target, name) => (...args) => {
    calls.set(name, (calls.get(name) ?? 0) + 1);
    return (target[name] ?? (() => 0))(...args);
  },
});
const wasi = {
  environ_sizes_get: (count, size) => { view().setUint32(count, 0, true); view().setUint32(size, 0, true); return 0; },
  clock_time_get: (id, precision, at) => { view().setBigUint64(at, 1700000000000000000n, true); return 0; },
  random_get: (at, size) => { read(at, size).fill(7); return 0; },
  proc_exit: code => { throw new Error(`exit ${code}`); },
};

const module = new WebAssembly.Module(readFileSync(file));
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  imports[from] ??= {};
  imports[from][name] = from === "env" ? counted[name] : wasi[name] ?? (() => 0);
}
wasm = new WebAssembly.Instance(module, imports).exports;
(wasm._initialize ?? wasm._start)();

work.plugins.forEach((plugin, index) => {
  const root = index + 1;
  buffers[7] = encoder.encode(JSON.stringify(plugin));
  wasm.proxy_on_context_create(root, 0);
  wasm.proxy_on_vm_start?.(root, 0);
  if (!wasm.proxy_on_configure(root, buffers[7].length)) throw new Error("the configuration was refused");
});

function pieces() {
  if (work.pieces <= 1) return [response];
  const cut = [];
  let from = 0;
  for (let at = response.indexOf("\n\n"); at >= 0; at = response.indexOf("\n\n", from)) {
    cut.push(response.subarray(from, at + 2));
    from = at + 2;
  }
  return cut;
}
const cut = pieces();

let next = 100;
let out = 0;
function once() {
  const roles = work.plugins.map((_, index) => [next++, index + 1]);
  headers = { 0: work.requestHeaders.slice(), 2: [] };
  state = new Map();
  buffers = { 0: request };
  for (const [context, root] of roles) {
    wasm.proxy_on_context_create(context, root);
    wasm.proxy_on_request_headers(context, headers[0].length, 0);
    wasm.proxy_on_request_body(context, buffers[0].length, 1);
  }
  const back = roles.slice().reverse();
  headers[2] = work.responseHeaders.slice();
  for (const [context] of back) wasm.proxy_on_response_headers(context, headers[2].length, 0);
  for (const piece of cut) {
    buffers[1] = piece;
    for (const [context] of back) wasm.proxy_on_response_body(context, buffers[1].length, 0);
    out += buffers[1].length;
  }
  buffers[1] = new Uint8Array();
  for (const [context] of back) wasm.proxy_on_response_body(context, 0, 1);
  for (const [context] of back) {
    wasm.proxy_on_log?.(context);
    wasm.proxy_on_done?.(context);
    wasm.proxy_on_delete?.(context);
  }
}

once();
calls.clear();
once();
const perRequest = Object.fromEntries([...calls].sort((a, b) => b[1] - a[1]));
// The process's own clock: on a busy machine the wall's would count the neighbours' work.
const used = () => { const { user, system } = process.cpuUsage(); return user + system; };
const until = performance.now() + 500;
while (performance.now() < until) once();
const end = performance.now() + Number(seconds) * 1000;
const before = used();
let count = 0;
out = 0;
while (performance.now() < end) { once(); count++; }
const us = (used() - before) / count;
console.log(JSON.stringify({ us: Number(us.toFixed(2)), requests: count, bytes_back: Math.round(out / count), memory: wasm.memory.buffer.byteLength, calls: perRequest }));
