// Package client is the client half of package cohort for callers in other languages: what the WebAssembly build
// (crypto/cohort/wasm) and the C library (crypto/cohort/clib) have in common, in types that cross such a border. It holds no
// cryptography.
//
// Guaranteed:
//
//   - A Key and an Upload may be used from many threads at once, Erase included: Erase waits for what is under way, and what comes
//     after it gets ErrErased. Without that, a block made of erased seeds would have known errors and show the key.
//   - A question is read strictly: an unknown, repeated or missing member is refused, since a rule that the client does not read is one
//     that the gateway still enforces.
//   - Errors hold no secret: no entry, no seed, no key; of a question at most its public numbers.
//
// Not guaranteed:
//
//   - That seeds never repeat across restarts: Upload.Seed is for the caller's journal, to be written before anything is sent. A repeat
//     within the life of a Key is refused.
//   - Erasure of what the caller holds: a stored key, and the list of selected entries.
package client
