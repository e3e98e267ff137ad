//go:build unix

package audit

import (
	"crypto/sha256"
	"strings"
	"testing"
)

// benchLog makes a valid log of n headers without setup: HEARTBEAT lines of about 256 bytes.
func benchLog(tb testing.TB, n int) ([][]byte, [32]byte, string) {
	tb.Helper()
	const origin = "audit.example.gov/gw1/2027"
	head := LeafHash([]byte("before"))
	first := head
	lines := make([][]byte, n)
	for i := range lines {
		line, err := FormatEntry(Object{
			"v": 1, "o": origin, "seq": i + 1, "t": 1798761600000000 + i, "prev": Digest(head), "k": Heartbeat, "open": 3, "note": strings.Repeat("x", 90),
		})
		if err != nil {
			tb.Fatal(err)
		}
		lines[i], head = line, LeafHash(line)
	}
	return lines, first, origin
}

// BenchmarkChain256 measures a full check of headers of 256 bytes by one goroutine, as headers per second of processor time
// (a busy machine shows in wall time only), and what hashing leaf and node alone takes.
func BenchmarkChain256(b *testing.B) {
	lines, first, origin := benchLog(b, 100_000)
	b.Logf("headers of %d bytes", len(lines[0]))
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		n, busy := 0, processor()
		for b.Loop() {
			c := ResumeChain(origin, 1, first, 0)
			c.rooted = true // the tree is part of the check
			for _, l := range lines {
				if err := c.Next(l); err != nil {
					b.Fatal(err)
				}
			}
			n += len(lines)
		}
		b.ReportMetric(float64(n)/(processor()-busy).Seconds(), "headers/cpu-s")
	})
	b.Run("hash", func(b *testing.B) {
		n, busy := 0, processor()
		var node [65]byte
		for b.Loop() {
			for _, l := range lines {
				s := LeafHash(l)
				copy(node[1:], s[:])
				sha256.Sum256(node[:])
			}
			n += len(lines)
		}
		b.ReportMetric(float64(n)/(processor()-busy).Seconds(), "headers/cpu-s")
	})
}

// BenchmarkChainIntents is the same for a log of questions: an INTENT of 770 bytes and a RELEASE of 290 in turn.
func BenchmarkChainIntents(b *testing.B) {
	const origin = "audit.example.gov/gw1/2027"
	head := LeafHash([]byte("before"))
	first := head
	var lines [][]byte
	d := Digest(head)
	for i := range 50_000 {
		spent := int64(i) * 10
		for k, o := range []Object{
			{"k": Intent, "acct": "nrho", "ag": "agr-7f3c", "agv": 3, "bud0": Object{"ad": 0, "ar": spent, "pd": 0, "pr": spent}, "bud1": Object{"ad": 0, "ar": spent + 10, "pd": 0, "pr": spent + 10}, "cls": "b", "cost": Object{"d": 0, "r": 10}, "dec": "allow", "ds": "health-2027", "dsv": d, "mode": "sql", "pol": d, "pop": "insured", "pu": "epi-03", "dtl": Object{"actor": d, "input": d, "plan": d, "query": d, "request": d}},
			{"k": Release, "lvl": 2, "mech": "dgauss", "ref": 2*i + 1, "dtl": Object{"protect": d, "result": d}},
		} {
			o["v"], o["o"], o["seq"], o["t"], o["prev"] = 1, origin, 2*i+k+1, 1798761600000000+int64(i), Digest(head)
			line, err := FormatEntry(o)
			if err != nil {
				b.Fatal(err)
			}
			lines, head = append(lines, line), LeafHash(line)
		}
	}
	b.Logf("headers of %d and %d bytes", len(lines[0]), len(lines[1]))
	b.ReportAllocs()
	n, busy := 0, processor()
	for b.Loop() {
		c := ResumeChain(origin, 1, first, 0)
		c.rooted = true
		for _, l := range lines {
			if err := c.Next(l); err != nil {
				b.Fatal(err)
			}
		}
		n += len(lines)
	}
	b.ReportMetric(float64(n)/(processor()-busy).Seconds(), "headers/cpu-s")
}
