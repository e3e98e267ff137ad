//go:build !amd64

package cohort

import "github.com/tuneinsight/lattigo/v5/ring"

// ifma is for processors of amd64 only.
type ifma struct{}

func newIFMA(*ring.SubRing) *ifma { return nil }

func (*ifma) transform([]uint64, uint64) {}
