// cohort.mjs: encrypted queries from JavaScript (docs/clients-encrypted.md). An ES module over jali-cohort.wasm; wasm_exec.js of the
// same Go release must have run before. Best loaded in a Web Worker: a block takes some milliseconds during which nothing else runs.
//
//   const cohort = await load(fetch("jali-cohort.wasm"));
//   const { key, registration } = cohort.generateKey("ecq1-a", crs);       // POST registration to /v1/cohort/keys
//   const upload = await key.encrypt(question, [3, 141, 592], { remember }); // question: public facts, from the quote
//   await upload.send((part) => post(part), ({ sent, total }) => show(sent / total));
//   const { numbers, outOfRange } = key.decrypt(reply, bounds);
//
// Nothing here logs or stores. key.store() and the selection are yours to protect.

// load starts the library from a Response, a promise of one, or the bytes of jali-cohort.wasm.
export async function load(source) {
	const go = new globalThis.Go();
	const from = await source;
	const { instance } = from instanceof Response
		? await WebAssembly.instantiateStreaming(from, go.importObject)
		: await WebAssembly.instantiate(from, go.importObject);
	go.run(instance); // never ends; by its first pause the functions are there
	const api = globalThis.jaliCohort;
	delete globalThis.jaliCohort;
	return new Cohort(api);
}

// CohortError is any refusal; its message holds no secret.
export class CohortError extends Error {}

function call(api, name, ...args) {
	const r = api[name](...args);
	if (r.error !== undefined) throw new CohortError(r.error);
	return r;
}

class Cohort {
	#api;
	constructor(api) {
		this.#api = api;
	}

	// sizes of a parameter set: slotsPerBlock, registration and reply in bytes, limit of an answer.
	sizes(params) {
		return call(this.#api, "sizes", params);
	}

	// generateKey makes a key for the gateway's crs, and the registration for it. auditor: public key that the agreement names.
	generateKey(params, crs, auditor = null) {
		const r = call(this.#api, "generate", params, crs, auditor);
		return { key: new Key(this.#api, r), registration: r.registration };
	}

	// restoreKey makes a key again from what store returned.
	restoreKey(stored) {
		return new Key(this.#api, call(this.#api, "restore", stored));
	}
}

class Key {
	#api;
	#handle;
	constructor(api, r) {
		this.#api = api;
		this.#handle = r.key;
		this.id = r.id; // by which the gateway names the key
		this.params = r.params;
	}

	// store returns the secret: encrypt it before it goes anywhere.
	store() {
		return call(this.#api, "store", this.#handle).stored;
	}

	// encrypt prepares an upload. question is an object or JSON text: params, entries, table and nonce of the quote, rule of the request.
	// selected lists entry numbers. remember(seed) is called, and awaited, before any byte can be had: it writes the seed to a journal and
	// throws if the journal has it already.
	async encrypt(question, selected, { remember, auditor = null } = {}) {
		if (typeof remember !== "function") throw new CohortError("encrypt needs remember: a journal of query seeds");
		const list = Uint32Array.from(selected, (i) => {
			if (!Number.isInteger(i) || i < 0 || i >= 2 ** 32) throw new CohortError("an entry is not a whole number");
			return i;
		});
		let r;
		try {
			const text = typeof question === "string" ? question : JSON.stringify(question);
			r = call(this.#api, "encrypt", this.#handle, text, new Uint8Array(list.buffer), auditor);
		} finally {
			list.fill(0);
		}
		const upload = new Upload(this.#api, r);
		try {
			await remember(r.seed);
		} catch (e) {
			upload.erase();
			throw e;
		}
		return upload;
	}

	// decrypt reads a reply: one number per bound, sum + noise in scaled units. outOfRange: the selector was rejected, a declared rule was
	// violated, or table version and key do not match. Tell the researcher; never report it to the gateway.
	decrypt(reply, bounds) {
		return call(this.#api, "decrypt", this.#handle, reply, bounds.map(Number));
	}

	erase() {
		call(this.#api, "eraseKey", this.#handle);
	}
}

class Upload {
	#api;
	#handle;
	constructor(api, r) {
		this.#api = api;
		this.#handle = r.upload;
		this.blocks = r.blocks;
		this.bytes = r.bytes; // of all parts together
		this.parts = r.blocks + 2;
	}

	// part i: 0 is the head, then one per block, then the tail, which may be empty. The same bytes each time, to resume with.
	part(i) {
		return call(this.#api, "part", this.#handle, i).bytes;
	}

	// send encrypts part by part and awaits put(bytes, offset) for each; progress({ sent, total, block, blocks }) after each. It lets the
	// page breathe between blocks.
	async send(put, progress = () => {}, signal = undefined) {
		let sent = 0;
		for (let i = 0; i < this.parts; i++) {
			signal?.throwIfAborted();
			const bytes = this.part(i);
			if (bytes.length > 0) await put(bytes, sent);
			sent += bytes.length;
			progress({ sent, total: this.bytes, block: Math.min(i, this.blocks), blocks: this.blocks });
			await new Promise((resume) => setTimeout(resume, 0));
		}
	}

	// commit is SHA-256 of the upload, which evaluate asks for.
	commit() {
		return call(this.#api, "commit", this.#handle).commit;
	}

	erase() {
		call(this.#api, "eraseUpload", this.#handle);
	}
}
