package catalog

import (
	"regexp/syntax"
	"slices"
)

const (
	// maxMatching is the longest list that a pattern stands for.
	maxMatching = 1 << 18
	// maxRunes bounds the characters of one class: codes are written in few.
	maxRunes = 256
)

// matching lists all texts that a pattern allows, in byte order; nil if they are too many, or not a plain set of texts. As import has
// held every value to the pattern, the list is a public domain: it is the same for every database of the catalogue, and says of no
// code whether it occurs, nor whether it means anything.
func matching(pattern string) []Value {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	re = re.Simplify()
	// An anchor at either end is what catalogues demand; elsewhere it decides by what stands around it, which a list of parts does not.
	if n := len(re.Sub); re.Op == syntax.OpConcat && n > 2 && re.Sub[0].Op == syntax.OpBeginText && re.Sub[n-1].Op == syntax.OpEndText {
		re.Sub = re.Sub[1 : n-1]
	}
	texts, ok := language(re)
	if !ok {
		return nil
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	values := make([]Value, 0, len(texts))
	for _, s := range texts {
		if s == "" || len(s) > maxCodeBytes || hasControl(s) {
			return nil
		}
		values = append(values, StringValue(s))
	}
	return values
}

// language is the set of texts of a simplified expression, possibly with repetitions; false if it is not finite, or not small.
func language(re *syntax.Regexp) ([]string, bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}, true
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return nil, false
		}
		return []string{string(re.Rune)}, true
	case syntax.OpCharClass:
		return runes(re.Rune)
	case syntax.OpCapture:
		return language(re.Sub[0])
	case syntax.OpQuest:
		some, ok := language(re.Sub[0])
		return append([]string{""}, some...), ok
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			some, ok := language(sub)
			if all = append(all, some...); !ok || len(all) > maxMatching {
				return nil, false
			}
		}
		return all, true
	case syntax.OpConcat:
		all := []string{""}
		for _, sub := range re.Sub {
			some, ok := language(sub)
			if !ok || len(some)*len(all) > maxMatching {
				return nil, false
			}
			product := make([]string, 0, len(some)*len(all))
			for _, head := range all {
				for _, tail := range some {
					product = append(product, head+tail)
				}
			}
			all = product
		}
		return all, true
	}
	return nil, false
}

// runes are the characters of a class, which is a list of ranges.
func runes(ranges []rune) ([]string, bool) {
	var all []string
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i+1]-ranges[i] >= maxRunes {
			return nil, false
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if all = append(all, string(r)); len(all) > maxRunes {
				return nil, false
			}
		}
	}
	return all, true
}
