package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
)

var (
	// ErrEval says that evaluation failed or answered something that is no decision. It denies.
	ErrEval = errors.New("policy could not be evaluated")
	// ErrTimeout says that evaluation took too long. It denies.
	ErrTimeout = errors.New("policy evaluation timed out")
	// ErrClock says that an input's time is not the present. A grant is made for now or not at all.
	ErrClock = errors.New("policy input is not of the present")
)

// maxSkew is how far an input's time may be from the clock: planning and queueing take that long at most.
const maxSkew = time.Minute

// Decide asks the active bundle. It returns a Grant with power, or reasons, or an error; with reasons or an error the
// Grant is the zero Grant. Reasons are for the researcher, errors for the operator: to the researcher an error is a plain
// refusal. Decide is safe for concurrent use; each call uses one bundle throughout.
func (p *Policy) Decide(ctx context.Context, in Input) (Grant, []Reason, error) {
	now := p.clock()
	if d := now.Sub(time.Unix(in.Now, 0)); d > maxSkew || d < -maxSkew {
		return Grant{}, nil, fmt.Errorf("decide: %w", ErrClock)
	}
	raw, err := in.canonical()
	if err != nil {
		return Grant{}, nil, fmt.Errorf("decide: %w", err)
	}
	input, err := in.value()
	if err != nil {
		return Grant{}, nil, fmt.Errorf("decide: %w", err)
	}
	b := p.active.Load()
	v, err := b.evaluate(ctx, input, p.timeout)
	if err != nil {
		return Grant{}, nil, fmt.Errorf("decide: %w", err)
	}
	if !v.Allowed {
		return Grant{}, v.Reasons, nil
	}
	until := now.Add(grantLife)
	if end := time.Unix(in.Agreement.ValidUntil, 0); end.Before(until) {
		until = end
	}
	return Grant{input: raw, bundle: b.digest, until: until, obl: v.Obligations}, nil, nil
}

// Verdict is what a bundle says about a recorded input. It permits nothing.
type Verdict struct {
	Allowed     bool
	Reasons     []Reason
	Obligations Obligations
}

// Replay decides a recorded input again. The same bundle gives the same verdict at any time and on any machine.
func (b *Bundle) Replay(ctx context.Context, input []byte) (Verdict, error) {
	v, err := b.decide(ctx, input, patientTimeout)
	if err != nil {
		return Verdict{}, fmt.Errorf("replay decision: %w", err)
	}
	return v, nil
}

func (b *Bundle) decide(ctx context.Context, raw []byte, timeout time.Duration) (Verdict, error) {
	input, err := parseInput(raw)
	if err != nil {
		return Verdict{}, err
	}
	return b.evaluate(ctx, input, timeout)
}

func (b *Bundle) evaluate(ctx context.Context, input ast.Value, timeout time.Duration) (Verdict, error) {
	if err := checkInput(input); err != nil {
		return Verdict{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	got, err := eval(ctx, b.verdict, input)
	if err != nil {
		return Verdict{}, err
	}
	// An undefined document makes got nil: not allowed.
	if allow, ok := got["allow"].(bool); ok && allow {
		obl, err := obligations(got["obligations"])
		if err != nil {
			return Verdict{}, err
		}
		if (obl.Control != nil) != inControlMode(input) {
			return Verdict{}, fmt.Errorf("%w: the obligation sdc belongs to mode sdc, and to no other", ErrEval)
		}
		return Verdict{Allowed: true, Obligations: obl}, nil
	}
	got, err = eval(ctx, b.reasons, input)
	if err != nil {
		return Verdict{}, err
	}
	reasons, err := parseReasons(got["reasons"])
	return Verdict{Reasons: reasons}, err
}

// eval runs one question and gives its bindings: nil if any part is undefined.
func eval(ctx context.Context, q rego.PreparedEvalQuery, input ast.Value) (rego.Vars, error) {
	rs, err := q.Eval(ctx, rego.EvalParsedInput(input))
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrTimeout, ctx.Err())
	case err != nil:
		return nil, evalError(err)
	case len(rs) == 0:
		return nil, nil
	case len(rs) > 1:
		return nil, fmt.Errorf("%w: it gave more than one answer", ErrEval)
	}
	return rs[0].Bindings, nil
}

// evalError keeps code and place of an OPA error and drops its text, which quotes input.
func evalError(err error) error {
	var e *topdown.Error
	if errors.As(err, &e) && e.Location != nil {
		return fmt.Errorf("%w: %s at %s:%d", ErrEval, e.Code, e.Location.File, e.Location.Row)
	}
	return ErrEval
}

// obligations refuses anything but whole positive numbers: an allow without its conditions is no allow.
func obligations(v any) (Obligations, error) {
	m, ok := v.(map[string]any)
	control, controlled := m["sdc"]
	if !ok || len(m) != 2 && !(controlled && len(m) == 3) {
		return Obligations{}, fmt.Errorf("%w: obligations must be min_cohort and max_cells, and sdc in that mode", ErrEval)
	}
	var out Obligations
	if err := wholes(m, map[string]*int64{"min_cohort": &out.MinCohort, "max_cells": &out.MaxCells}); err != nil {
		return Obligations{}, err
	}
	if controlled {
		c, err := controls(control)
		if err != nil {
			return Obligations{}, err
		}
		out.Control = c
	}
	return out, nil
}

// inControlMode reports whether the question is about data in mode sdc. What cannot be read is not dp.
func inControlMode(input ast.Value) bool {
	mode, err := input.Find(ast.Ref{ast.StringTerm("query"), ast.StringTerm("mode")})
	return err != nil || mode.Compare(ast.String("dp")) != 0
}

// controls reads the parameters of mode sdc: all of them, and nothing else.
func controls(v any) (*Control, error) {
	var c Control
	to := map[string]*int64{
		"min_cell": &c.MinCell, "base": &c.Base, "p_percent": &c.Percent, "dominance_percent": &c.Dominance,
		"cells": &c.Cells, "refusals": &c.Refusals,
	}
	m, ok := v.(map[string]any)
	if !ok || len(m) != len(to) {
		return nil, fmt.Errorf("%w: obligation sdc must have exactly min_cell, base, p_percent, dominance_percent, cells and refusals", ErrEval)
	}
	if err := wholes(m, to); err != nil {
		return nil, err
	}
	if c.Percent > 100 || c.Dominance > 100 || c.Base > c.MinCell {
		return nil, fmt.Errorf("%w: obligation sdc: a percentage is above 100, or the base above the smallest cell", ErrEval)
	}
	return &c, nil
}

// wholes reads whole positive numbers.
func wholes(m map[string]any, into map[string]*int64) error {
	for name, to := range into {
		n, ok := m[name].(json.Number)
		if !ok {
			return fmt.Errorf("%w: obligation %s is not a number", ErrEval, name)
		}
		i, err := n.Int64()
		if err != nil || i < 1 || i > 1<<53-1 {
			return fmt.Errorf("%w: obligation %s is not a whole positive number", ErrEval, name)
		}
		*to = i
	}
	return nil
}

// parseReasons always gives at least one reason: a denial is a denial however badly the bundle explains it.
func parseReasons(v any) ([]Reason, error) {
	if v == nil {
		return []Reason{unexplained}, nil
	}
	list, ok := v.([]any)
	if !ok || len(list) > maxReasons {
		return nil, fmt.Errorf("%w: reasons are not a short list", ErrEval)
	}
	var out []Reason
	for _, item := range list {
		m, _ := item.(map[string]any)
		code, ok1 := m["code"].(string)
		text, ok2 := m["text"].(string)
		hint, ok3 := m["hint"].(string)
		if !ok1 || !ok2 || !ok3 || len(code)+len(text)+len(hint) > maxReasonText {
			return nil, fmt.Errorf("%w: a reason is not {code, text, hint}", ErrEval)
		}
		out = append(out, Reason{Code: code, Text: text, Hint: hint})
	}
	if len(out) == 0 {
		return []Reason{unexplained}, nil
	}
	slices.SortFunc(out, func(a, b Reason) int { return strings.Compare(a.Code, b.Code) })
	return out, nil
}
