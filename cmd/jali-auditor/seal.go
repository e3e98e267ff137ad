package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"jali/audit"
)

// quorum reads the reader's own copy of a seal policy; nil if none is given.
func (v *verification) quorum() (*audit.Quorum, error) {
	if v.seal == "" {
		return nil, nil
	}
	b, err := os.ReadFile(v.seal)
	if err != nil {
		return nil, usagef("check the path; where no witness is named yet there is no such file: leave --seal out", "read seal policy: %w", err)
	}
	q, err := audit.ParseQuorum(b)
	if err != nil {
		return nil, usagef("it is the file seal.policy, from whoever vouches for the witnesses", "read seal policy: %w", err)
	}
	return q, nil
}

// judge says by whom and when what was verified has been cosigned: cp, the checkpoint that everything was checked against, the one that
// the source offers as cosigned (or nil), and earlier ones; the log was found to continue them. What no quorum has cosigned rests on the
// log's operator alone, and is said to.
func (v *verification) judge(f *finding, keys *audit.Keys, cp audit.Checkpoint, offered *audit.Checkpoint, earlier []audit.Checkpoint) error {
	q, err := v.quorum()
	if err != nil || q == nil {
		return err
	}
	if err := q.CheckLog(keys); err != nil {
		return failedError{err}
	}
	f.NotChecked[0] = "what the witnesses were shown besides this log: ask one for its checkpoint"
	latest := cp
	candidates := append([]audit.Checkpoint{cp}, earlier...)
	if offered != nil {
		latest = *offered
		candidates = append(candidates, latest)
	}
	var best audit.Checkpoint
	for _, c := range candidates {
		if c.Size > best.Size && c.Sealable() && q.Satisfied(c.Note) {
			best = c
		}
	}
	if best.Size > 0 {
		f.Checks = append(f.Checks, fmt.Sprintf("sealed: %d of %d entries cosigned by %s, a quorum of the seal policy given", best.Size, cp.Size, witnesses(q, best.Note)))
	}
	if best.Size < cp.Size {
		text := fmt.Sprintf("entries from %d on: no quorum of the seal policy has cosigned them in what was given", best.Size)
		if best.Size == 0 {
			text += fmt.Sprintf(" (cosigned by: %s)", witnesses(q, latest.Note))
		}
		f.NotChecked = append(f.NotChecked, text)
	}
	return nil
}

// witnesses names who cosigned, and when.
func witnesses(q *audit.Quorum, note []byte) string { return cosigned(q.Cosignatures(note)) }

func cosigned(by []audit.Cosignature) string {
	var out []string
	for _, c := range by {
		out = append(out, fmt.Sprintf("%s (%s, %s)", c.Name, c.Algorithm, c.Time.Format(time.RFC3339)))
	}
	if len(out) == 0 {
		return "nobody"
	}
	return strings.Join(out, ", ")
}
