// Package storebench compares durable appends to the audit log with other ways to keep a log: bbolt with one Update per
// entry, Tessera's POSIX storage, and immudb's embedded store. It is a module of its own, so that the product depends on none of them.
//
//	cd tools/storebench && go test -run '^$' -bench . -benchtime 5x
//
// All stores take turns on one disk; only the ratios mean something. Entries have the same bytes everywhere, and an append
// counts when its store says that it is durable. Ours does more at that point than the others: it has checked the entry
// against all before it and chained it, and a checkpoint that holds it is signed as soon as somebody asks for one.
package storebench
