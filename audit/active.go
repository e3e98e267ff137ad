package audit

import (
	"fmt"
	"strconv"
)

// Names under which entries make versions active: one policy bundle per log, a version per dataset and per agreement.
const (
	ActivePolicy    = "pol"
	ActiveDataset   = "ds/" // + dataset id
	ActiveAgreement = "ag/" // + agreement id
)

// Activates tells what a POLICY, DATASET or AGREEMENT entry makes active, from its header fields. An empty value means that
// the name is active no longer (dataset withdrawn; agreement suspended or ended).
func Activates(k Kind, text func(string) string, integer func(string) int64) (name, value string, ok bool) {
	switch k {
	case Policy:
		return ActivePolicy, text("pol"), true
	case Dataset:
		if name = ActiveDataset + text("ds"); text("st") == "active" {
			value = text("dsv")
		}
		return name, value, true
	case Agreement:
		if name = ActiveAgreement + text("ag"); text("st") == "active" {
			value = strconv.FormatInt(integer("agv"), 10)
		}
		return name, value, true
	}
	return "", "", false
}

// activate checks that an entry names the version it replaces, then replaces it.
func (c *Chain) activate(h *header) (string, error) {
	name, value, _ := Activates(h.kind, h.text, h.integer)
	old, known := c.active[name]
	if before := map[Kind]string{Policy: "pol0", Dataset: "dsv0"}[h.kind]; before != "" && (known || c.first == 0) {
		if h.text(before) != old.Value {
			return before, fmt.Errorf("%w: want the version that this entry replaces", ErrActive)
		}
	}
	c.active[name] = Active{value, h.seq}
	return "", nil
}

// decidedOnActive checks that an INTENT was decided under the policy, dataset and agreement versions active at its place.
func (c *Chain) decidedOnActive(h *header) (string, error) {
	for _, p := range [...]struct{ field, name, value string }{
		{"pol", ActivePolicy, h.text("pol")},
		{"dsv", ActiveDataset + h.text("ds"), h.text("dsv")},
		{"agv", ActiveAgreement + h.text("ag"), strconv.FormatInt(h.integer("agv"), 10)},
	} {
		a, known := c.active[p.name]
		if known && a.Value != p.value || !known && c.first == 0 {
			return p.field, ErrActive
		}
	}
	return "", nil
}

// Active is what the entries so far have made active, by name. Values that are active no longer are empty.
func (c *Chain) Active() map[string]Active { return c.active }
