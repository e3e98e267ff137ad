package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// schema is the part of JSON Schema (draft 7) that input.schema.json uses. Parsing refuses any other keyword, so a
// constraint is never silently without effect. It is checked here because a general validator costs more than the
// decision itself.
type schema struct {
	Draft       string             `json:"$schema"`
	Title       string             `json:"title"`
	Type        string             `json:"type"`
	Required    []string           `json:"required"`
	Properties  map[string]*schema `json:"properties"`
	Additional  *bool              `json:"additionalProperties"`
	Items       *schema            `json:"items"`
	MinItems    int                `json:"minItems"`
	MaxItems    int                `json:"maxItems"`
	MinLength   int                `json:"minLength"`
	MaxLength   int                `json:"maxLength"`
	Minimum     *float64           `json:"minimum"`
	Maximum     *float64           `json:"maximum"`
	ExclMinimum *float64           `json:"exclusiveMinimum"`
	Enum        []string           `json:"enum"`
	Pattern     string             `json:"pattern"`

	pattern *regexp.Regexp
	fields  []field // of an object: those required, in their order, then the others
}

type field struct {
	name   string
	key    *ast.Term
	schema *schema
	scalar bool
	absent bool // may be absent
}

func parseSchema(b []byte) (*schema, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	s := &schema{}
	if err := dec.Decode(s); err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	return s, s.prepare("input")
}

func mustParseSchema(b []byte) *schema {
	s, err := parseSchema(b)
	if err != nil {
		panic(err) // the schema is compiled in and tested
	}
	return s
}

// prepare refuses a schema that leaves anything open: every object is closed, every list, string and number is bounded. An object may
// be absent where it is not required: what some kinds of query do not have, and inputs recorded by earlier versions did not.
func (s *schema) prepare(path string) error {
	switch s.Type {
	case "object":
		if s.Additional == nil || *s.Additional || len(s.Required) > len(s.Properties) {
			return fmt.Errorf("schema %s: object is not closed", path)
		}
		names := slices.Clone(s.Required)
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			if !slices.Contains(s.Required, name) {
				names = append(names, name)
			}
		}
		for i, name := range names {
			p := s.Properties[name]
			if p == nil {
				return fmt.Errorf("schema %s: field is not described", path+"."+name)
			}
			absent := i >= len(s.Required)
			if absent && p.Type != "object" {
				return fmt.Errorf("schema %s: only an object may be absent", path+"."+name)
			}
			if err := p.prepare(path + "." + name); err != nil {
				return err
			}
			scalar := p.Type != "object" && p.Type != "array"
			s.fields = append(s.fields, field{name, ast.StringTerm(name), p, scalar, absent})
		}
		return nil
	case "array":
		if s.Items == nil || s.MaxItems == 0 {
			return fmt.Errorf("schema %s: list is not bounded", path)
		}
		return s.Items.prepare(path + "[]")
	case "string":
		if s.MaxLength == 0 && s.Pattern == "" && s.Enum == nil {
			return fmt.Errorf("schema %s: string is not bounded", path)
		}
		if s.Pattern != "" {
			re, err := regexp.Compile(s.Pattern)
			if err != nil {
				return fmt.Errorf("schema %s: %w", path, err)
			}
			s.pattern = re
		}
		return nil
	case "integer", "number":
		if s.Maximum == nil || s.Minimum == nil && s.ExclMinimum == nil {
			return fmt.Errorf("schema %s: number is not bounded", path)
		}
		return nil
	case "boolean":
		return nil
	}
	return fmt.Errorf("schema %s: unknown type", path)
}

var (
	errType    = errors.New("wrong type")
	errRange   = errors.New("out of range")
	errLength  = errors.New("too long or too short")
	errForm    = errors.New("wrong form")
	errMissing = errors.New("missing")
	errUnknown = errors.New("holds an unknown field")
)

// check reports the first place where v does not have the form. The path is made of schema names and indices only.
func (s *schema) check(v ast.Value, path string) error {
	switch s.Type {
	case "object":
		return s.checkObject(v, path)
	case "array":
		a, ok := v.(*ast.Array)
		if !ok {
			return fmt.Errorf("%s: %w", path, errType)
		}
		if a.Len() < s.MinItems || a.Len() > s.MaxItems {
			return fmt.Errorf("%s: %w", path, errLength)
		}
		for i := range a.Len() {
			// The path is built for errors only: this runs once per element of every decision.
			if err := s.Items.check(a.Elem(i).Value, ""); err != nil {
				return s.Items.check(a.Elem(i).Value, path+"["+strconv.Itoa(i)+"]")
			}
		}
		return nil
	}
	if err := s.checkScalar(v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (s *schema) checkObject(v ast.Value, path string) error {
	o, ok := v.(ast.Object)
	if !ok {
		return fmt.Errorf("%s: %w", path, errType)
	}
	present := 0
	for _, f := range s.fields {
		term := o.Get(f.key)
		if term == nil && f.absent {
			continue
		}
		present++
		if term == nil {
			return fmt.Errorf("%s.%s: %w", path, f.name, errMissing)
		}
		if f.scalar {
			if err := f.schema.checkScalar(term.Value); err != nil {
				return fmt.Errorf("%s.%s: %w", path, f.name, err)
			}
		} else if err := f.schema.check(term.Value, path+"."+f.name); err != nil {
			return err
		}
	}
	// All fields that are known have been counted: one more is one too many.
	if o.Len() != present {
		return fmt.Errorf("%s: %w", path, errUnknown)
	}
	return nil
}

func (s *schema) checkScalar(v ast.Value) error {
	switch s.Type {
	case "string":
		str, ok := v.(ast.String)
		if !ok {
			return errType
		}
		n := utf8.RuneCountInString(string(str))
		if n < s.MinLength || s.MaxLength > 0 && n > s.MaxLength {
			return errLength
		}
		if s.Enum != nil && !slices.Contains(s.Enum, string(str)) {
			return errForm
		}
		if s.pattern != nil && !s.pattern.MatchString(string(str)) {
			return errForm
		}
		return nil
	case "boolean":
		if _, ok := v.(ast.Boolean); !ok {
			return errType
		}
		return nil
	}
	num, ok := v.(ast.Number)
	if !ok {
		return errType
	}
	if s.Type == "integer" {
		if _, err := strconv.ParseInt(string(num), 10, 64); err != nil {
			return errType // 1.0 and 1e3 too: amounts are written as integers
		}
	}
	f, err := strconv.ParseFloat(string(num), 64)
	switch {
	case err != nil,
		s.Minimum != nil && f < *s.Minimum,
		s.ExclMinimum != nil && f <= *s.ExclMinimum,
		f > *s.Maximum:
		return errRange
	}
	return nil
}
