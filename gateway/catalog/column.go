package catalog

import (
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

func (p *parse) column(t *Table, key string, keyNode, n ast.Node) *Column {
	what := "column " + t.Name + "." + key
	o := p.object(n, what)
	c := &Column{
		Name:        key,
		Table:       t.Name,
		Description: o.text("description"),
		Unit:        o.text("unit"),
		Roles:       p.roles(o, what),
		Nullable:    o.flag("nullable"),
		Sensitivity: o.need("sensitivity", what, "give the class policy decides on, for example `sensitivity: normal`"),
		PerPerson:   o.flag("per_person"),
		PrivateKeys: o.flag("private_keys"),
		Open:        o.flag("open"),
		Pattern:     o.text("pattern"),
	}
	p.nodes[c] = keyNode
	if c.Has(RoleNever) {
		// Never imported, so never named in SQL: any type of value and any valid name will do.
		if !name.MatchString(key) {
			p.at(keyNode, "use a-z, 0-9 and _, beginning with a letter, at most 63", "column name is not valid")
		}
		c.Type = Type(o.text("type"))
		o.done(what)
		return c
	}
	if !p.name(keyNode, "column", key) {
		return nil
	}
	if c.Sensitivity != "" && !id.MatchString(c.Sensitivity) {
		p.at(o.get("sensitivity"), "use one word such as low, normal or high", "%s has an invalid sensitivity class", what)
	}
	c.Type = Type(o.need("type", what, "types are integer, decimal, text and date"))
	switch c.Type {
	case Integer, Text, Date:
		if n := o.get("decimals"); n != nil {
			p.at(n, "write `type: decimal` or remove it", "only decimal columns have decimals")
		}
	case Decimal:
		if o.get("decimals") == nil {
			p.at(keyNode, "give how many decimals are kept, 0 to 6", "%s has no decimals", what)
		}
		c.Decimals = int(o.count("decimals", 0, MaxDecimals, 0))
	case "":
		return c
	default:
		p.at(o.get("type"), "types are integer, decimal, text and date", "%s has an unknown type", what)
		return c
	}
	p.domain(c, o, what)
	p.bounds(c, o, what)
	if n := o.get("bands"); n != nil {
		bands := p.object(n, "bands")
		for _, k := range bands.keys {
			if b := p.band(c, k, bands.key[k], bands.get(k)); b != nil {
				c.Bands = append(c.Bands, b)
			}
		}
	}
	o.done(what)
	p.use(c, what)
	return c
}

// domain reads what text and codes the column may hold.
func (p *parse) domain(c *Column, o *object, what string) {
	c.Codes, c.Labels = p.codes(c, o.get("codes"), what)
	if c.Pattern == "" {
		return
	}
	n := o.get("pattern")
	switch {
	case c.Type != Text:
		p.at(n, "use bounds or codes", "%s: a pattern describes text", what)
	case c.Codes != nil:
		p.at(n, "remove one of the two", "%s has both codes and a pattern", what)
	default:
		// Anchored here rather than trusted to be: an unanchored pattern would let through any text around a match.
		if re, err := syntax.Parse(c.Pattern, syntax.Perl); err != nil || !anchored(re) {
			p.at(n, "write an RE2 expression from ^ to $, for example '^[A-Z][0-9]{2}$'", "%s has an invalid pattern", what)
		} else if _, err := regexp.Compile(c.Pattern); err != nil {
			p.at(n, "", "%s has an invalid pattern", what)
		} else if c.PrivateKeys {
			c.Matching = matching(c.Pattern)
		}
	}
}

// anchored reports whether the expression begins with ^ and ends with $ (or \A, \z) whatever its alternatives.
func anchored(re *syntax.Regexp) bool {
	if re.Op != syntax.OpConcat || len(re.Sub) < 2 {
		return false
	}
	return re.Sub[0].Op == syntax.OpBeginText && re.Sub[len(re.Sub)-1].Op == syntax.OpEndText
}

// bounds reads bounds and clip. Integer and decimal codes bound themselves.
func (p *parse) bounds(c *Column, o *object, what string) {
	b, clip := o.get("bounds"), o.get("clip")
	if c.Type == Text || c.Has(RolePerson) {
		for _, n := range []ast.Node{b, clip} {
			if n != nil {
				p.at(n, "remove it", "%s: only numbers and dates have bounds", what)
			}
		}
		return
	}
	c.Lo, c.Hi = minInt, maxInt
	if c.Type == Date {
		c.Lo, c.Hi = minDay, maxDay
	}
	switch {
	case b != nil && c.Codes != nil:
		p.at(b, "remove it: the codes are the bounds", "%s has both codes and bounds", what)
	case b != nil:
		c.Lo, c.Hi = p.pair(c, b, what+": bounds")
	case c.Codes != nil:
		c.Lo, c.Hi = c.Codes[0].N, c.Codes[0].N
		for _, v := range c.Codes {
			c.Lo, c.Hi = min(c.Lo, v.N), max(c.Hi, v.N)
		}
	}
	c.ClipLo, c.ClipHi = c.Lo, c.Hi
	if clip != nil {
		c.ClipLo, c.ClipHi = p.pair(c, clip, what+": clip")
		if c.ClipLo < c.Lo || c.ClipHi > c.Hi {
			p.at(clip, "clip can only be narrower than bounds", "%s: clip lies outside the bounds", what)
		}
		if !c.Has(RoleMeasure) {
			p.at(clip, "add the role measure or remove it", "%s: only measures are clipped", what)
		}
	}
	if c.Has(RoleMeasure) && b == nil && c.Codes == nil {
		p.at(p.nodes[c], "give `bounds: [lo, hi]`, from the meaning of the column and never from the data", "%s is a measure without bounds", what)
	} else if c.Has(RoleMeasure) && (c.ClipLo < -maxClip || c.ClipHi > maxClip) {
		p.at(p.nodes[c], "use a larger unit, fewer decimals, or `clip: [lo, hi]`", "%s: a measure must lie within 2^40 of zero, counted in its last decimal", what)
	}
}

func (p *parse) pair(c *Column, n ast.Node, what string) (lo, hi int64) {
	elems := p.list(n, what)
	if len(elems) != 2 {
		p.at(n, "write [lo, hi]", "%s must have two values", what)
		return 0, 0
	}
	a, b := p.value(c, elems[0], what), p.value(c, elems[1], what)
	if a.N > b.N {
		p.at(n, "write the smaller value first", "%s: the lower bound is above the upper one", what)
	}
	return a.N, b.N
}

// value reads one scalar of the column's type.
func (p *parse) value(c *Column, n ast.Node, what string) Value {
	s, ok := scalarText(n)
	if !ok || s == "" {
		p.at(n, "quote text; an empty field is NULL and needs no code", "%s: not a value of type %s", what, c.Type)
		return Value{}
	}
	v, err := c.Parse(s)
	if err != nil {
		p.at(n, "", "%s: %v", what, err)
	}
	return v
}

// use checks that roles, type and domain fit together.
func (p *parse) use(c *Column, what string) {
	n := p.nodes[c]
	numeric := c.Type == Integer || c.Type == Decimal
	switch {
	case c.Has(RoleMeasure) && !numeric:
		p.at(n, "measures are integer or decimal", "%s: a %s column cannot be a measure", what, c.Type)
	case c.Has(RoleDate) != (c.Type == Date) && !c.Has(RoleFilter):
		p.at(n, "date columns have `type: date` and `role: date`", "%s: type %s does not fit the role %s", what, c.Type, rolesText(c.Roles))
	case c.Has(RoleGroup) && c.Type == Date:
		p.at(n, "declare bands, for example `bands: {birth_year: {year: [1900, 2020]}}`", "%s: dates are grouped by their bands", what)
	case c.Has(RoleGroup) && c.Codes == nil && !c.PrivateKeys:
		p.at(n, "give `codes:` (the public domain) or, at a cost, `private_keys: true`", "%s is a group column without a domain", what)
	case c.PrivateKeys && (c.Codes != nil || !c.Has(RoleGroup)):
		p.at(n, "private_keys is for group columns without codes", "%s: private_keys does not fit", what)
	}
	if !c.Has(RolePerson) {
		return
	}
	if c.Nullable || c.PerPerson || c.Codes != nil || c.Pattern != "" || c.Bands != nil || c.PrivateKeys || !(c.Type == Integer || c.Type == Text) {
		p.at(n, "declare only type, role, sensitivity and description", "%s: the person key is an integer or text column and nothing else", what)
	}
}

// sortedLabels is used where labels must come in a fixed order.
func sortedLabels(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
