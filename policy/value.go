package policy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// value turns an Input into the evaluator's form without the detour over JSON text, which costs as much as half a
// decision. It is the value that canonical's JSON parses to; a test holds the two together.
func (in Input) value() (ast.Value, error) { return reflectValue(reflect.ValueOf(in)) }

// fieldTerms are the JSON names of a struct's fields, made once per type.
var fieldTerms sync.Map // reflect.Type -> []*ast.Term

func termsOf(t reflect.Type) []*ast.Term {
	if terms, ok := fieldTerms.Load(t); ok {
		return terms.([]*ast.Term)
	}
	terms := make([]*ast.Term, t.NumField())
	for i := range terms {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		terms[i] = ast.StringTerm(name)
	}
	fieldTerms.Store(t, terms)
	return terms
}

func reflectValue(v reflect.Value) (ast.Value, error) {
	switch v.Kind() {
	case reflect.Struct:
		names := termsOf(v.Type())
		pairs := make([][2]*ast.Term, 0, len(names))
		for i, name := range names {
			if f := v.Field(i); f.Kind() == reflect.Pointer && f.IsNil() {
				continue // omitempty
			}
			field, err := reflectValue(v.Field(i))
			if err != nil {
				return nil, err
			}
			pairs = append(pairs, [2]*ast.Term{name, {Value: field}})
		}
		return ast.NewObject(pairs...), nil
	case reflect.Pointer:
		return reflectValue(v.Elem())
	case reflect.Slice:
		items := make([]*ast.Term, v.Len())
		for i := range items {
			item, err := reflectValue(v.Index(i))
			if err != nil {
				return nil, err
			}
			items[i] = &ast.Term{Value: item}
		}
		return ast.NewArray(items...), nil
	case reflect.String:
		return ast.String(v.String()), nil
	case reflect.Int64:
		return ast.Number(strconv.FormatInt(v.Int(), 10)), nil
	case reflect.Bool:
		return ast.Boolean(v.Bool()), nil
	case reflect.Float64:
		text, err := json.Marshal(v.Float()) // the same digits as in canonical
		if err != nil {
			return nil, fmt.Errorf("%w: a number is infinite or undefined", ErrInput)
		}
		return ast.Number(text), nil
	}
	return nil, fmt.Errorf("%w: a field has no policy form", ErrInput)
}
