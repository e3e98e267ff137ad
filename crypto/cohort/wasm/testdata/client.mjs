// The client in TestNode: takes one JSON command per line, answers one line. Bytes travel in hexadecimal.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [wasm, glue] = process.argv.slice(2);
(0, eval)(readFileSync(glue, "utf8"));
const said = [];
for (const name of ["log", "error", "warn", "info"]) console[name] = (...a) => said.push(a.join(" ")); // what the library would print
const { load } = await import("../cohort.mjs");
const cohort = await load(readFileSync(wasm));

const hex = (b) => Buffer.from(b).toString("hex");
const unhex = (s) => new Uint8Array(Buffer.from(s, "hex"));
const journal = new Set();
const remember = async (seed) => {
	if (journal.has(hex(seed))) throw new Error("seed was used");
	journal.add(hex(seed));
};
const refused = async (f) => {
	try {
		await f();
	} catch (e) {
		return e.message;
	}
	return "";
};

let key;
const commands = {
	async generate({ params, crs }) {
		const made = cohort.generateKey(params, unhex(crs));
		key = cohort.restoreKey(made.key.store());
		if (hex(key.id) !== hex(made.key.id)) throw new Error("restored another key");
		made.key.erase();
		const s = cohort.sizes(params);
		return {
			registration: hex(made.registration), id: hex(key.id), sizes: [s.slotsPerBlock, s.registration, s.reply, s.limit],
			stale: await refused(() => made.key.store()),
		};
	},
	async encrypt({ question, selected }) {
		const upload = await key.encrypt(question, selected, { remember });
		const parts = [], steps = [];
		const started = performance.now();
		await upload.send(async (b, at) => {
			if (at !== parts.reduce((n, p) => n + p.length, 0)) throw new Error("wrong offset");
			parts.push(b);
		}, (p) => steps.push(p));
		const ms = performance.now() - started;
		const last = steps.at(-1);
		if (steps.length !== upload.parts || last.sent !== upload.bytes || last.total !== upload.bytes || last.block !== upload.blocks)
			throw new Error("progress is wrong");
		if (hex(upload.part(1)) !== hex(parts[1])) throw new Error("a part changed");
		const commit = hex(upload.commit());
		upload.erase();
		return { upload: hex(Buffer.concat(parts)), commit, ms, blocks: upload.blocks, after: await refused(() => upload.part(1)) };
	},
	async decrypt({ reply, bounds }) {
		const { numbers, outOfRange } = key.decrypt(unhex(reply), bounds);
		return { numbers, out_of_range: outOfRange };
	},
	async errors({ question }) {
		const upload = await key.encrypt(question, [0], { remember });
		const found = {
			entry: await refused(() => key.encrypt(question, [1e6], { remember })),
			negative: await refused(() => key.encrypt(question, [-1], { remember })),
			question: await refused(() => key.encrypt({ ...question, more: 1 }, [0], { remember })),
			params: await refused(() => cohort.generateKey("ecq9", new Uint8Array(32))),
			stored: await refused(() => cohort.restoreKey(new Uint8Array(5))),
			reply: await refused(() => key.decrypt(new Uint8Array(5), [0])),
			arguments: await refused(() => key.decrypt("text", [0])),
			fraction: await refused(() => upload.part(0.5)),
			range: await refused(() => upload.part(99)),
			forgotten: await refused(() => key.encrypt(question, [0])),
		};
		const stopped = await refused(() => key.encrypt(question, [0], { remember: () => { throw new Error("stopped"); } }));
		const aborted = await refused(() => upload.send(async () => {}, () => {}, AbortSignal.abort(new Error("aborted"))));
		upload.erase();
		return { ...found, journal: stopped, abort: aborted, twice: await refused(() => upload.erase()) };
	},
	async printed() {
		return { said };
	},
};

for await (const line of createInterface({ input: process.stdin })) {
	const c = JSON.parse(line);
	process.stdout.write(JSON.stringify(await commands[c.do](c)) + "\n");
}
process.exit(0); // the library waits for calls for ever
