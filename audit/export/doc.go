// Package export writes an audit log as a directory of plain files that strangers can check, and checks such a directory.
//
// The layout is C2SP tlog-tiles (checkpoint, tile/<level>/<n>, tile/entries/<n>) with the same header lines once more as
// entries.jsonl, the disclosures that the audience may see, the verifier keys, and VERIFY.md with a verifier in Python that
// uses nothing of ours. Where witnesses have cosigned the log, cosigned is the latest checkpoint with their lines, seldom the newest
// one. A directory appears complete or not at all: it is written under a temporary name and renamed.
//
// An export proves what the log's operator signed. It does not prove that the same operator showed others the same log:
// compare size and root of the checkpoint with what a witness, or anyone else, remembers.
package export
