package gateway

import (
	"context"
	"slices"
	"strings"

	"jali/audit"
)

// erasedStudies tells what an erasure means for studies: which end with it, because the key of their list goes or their agreement ends, and
// which further details go, so that no version of a list of an agreement that ends can be opened, wherever copies of its file lie.
func (g *Gateway) erasedStudies(spans []audit.Span, agreements []string) (pins []string, more []audit.Span, err error) {
	for _, pin := range g.log.ActiveNames(pinStudy) {
		_, seq, _ := g.log.Active(pin.Name)
		name := strings.TrimPrefix(pin.Name, pinStudy)
		if audit.Covered(spans, seq, "what") || slices.Contains(agreements, name[:strings.LastIndexByte(name, '/')]) {
			pins = append(pins, pin.Name)
		}
	}
	if len(agreements) == 0 {
		return pins, nil, nil
	}
	err = g.each(0, func(e audit.Entry) error {
		if e.Kind != audit.Admin || e.Text("act") != audit.ActStudy || !slices.Contains(agreements, e.Text("ag")) || audit.Covered(spans, e.Seq, "what") {
			return nil
		}
		if _, err := g.detail(e.Seq, "what"); err == nil { // else it has none, or it is erased already
			more = append(more, audit.Span{From: e.Seq, To: e.Seq, Name: "what"})
		}
		return nil
	})
	return pins, more, err
}

// endStudies ends the studies of pins and removes their files, before the keys that open these go.
func (g *Gateway) endStudies(ctx context.Context, pins []string, approver string) error {
	g.registering.Lock()
	defer g.registering.Unlock()
	for _, pin := range pins {
		if _, seq, ok := g.log.Active(pin); ok {
			if _, err := g.endStudy(ctx, pin, seq, approver); err != nil {
				return err
			}
		}
	}
	return nil
}
