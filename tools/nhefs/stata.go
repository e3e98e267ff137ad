package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// table is a Stata data set of numbers; nil is missing.
type table struct {
	names []string
	rows  [][]*float64
}

// Types of format 118 (Stata 14 and later, help dta): the two that the file uses.
const (
	typeDouble = 65526
	typeLong   = 65528
)

// Values above these are the missing values ., .a to .z.
const maxLong = 2147483620

var maxDouble = math.Float64frombits(0x7fdfffffffffffff)

// readStata reads a little-endian format 118 file of doubles and longs. Anything else is an error.
func readStata(b []byte) (table, error) {
	var t table
	if !bytes.HasPrefix(b, []byte("<stata_dta><header><release>118</release><byteorder>LSF</byteorder>")) {
		return t, errors.New("not a little-endian Stata 118 file")
	}
	k, err := section(b, "<K>", "</K>")
	if err != nil || len(k) != 2 {
		return t, errors.New("number of variables")
	}
	n, err := section(b, "<N>", "</N>")
	if err != nil || len(n) != 8 {
		return t, errors.New("number of observations")
	}
	vars, obs := int(binary.LittleEndian.Uint16(k)), int(binary.LittleEndian.Uint64(n))
	types, err := section(b, "<variable_types>", "</variable_types>")
	if err != nil || len(types) != 2*vars {
		return t, errors.New("variable types")
	}
	names, err := section(b, "<varnames>", "</varnames>")
	if err != nil || len(names) != 129*vars {
		return t, errors.New("variable names")
	}
	width := 0
	for i := range vars {
		name, _, _ := bytes.Cut(names[129*i:129*(i+1)], []byte{0})
		t.names = append(t.names, string(name))
		switch v := binary.LittleEndian.Uint16(types[2*i:]); v {
		case typeDouble:
			width += 8
		case typeLong:
			width += 4
		default:
			return t, fmt.Errorf("variable %s has type %d", name, v)
		}
	}
	labels, err := readLabels(b, vars)
	if err != nil {
		return t, err
	}
	// Found by length, not by its end tag: the bytes of a number may look like one.
	at := bytes.Index(b, []byte("<data>"))
	if at < 0 || len(b)-at-6 < obs*width {
		return t, errors.New("data")
	}
	data := b[at+6 : at+6+obs*width]
	if !bytes.HasPrefix(b[at+6+obs*width:], []byte("</data>")) {
		return t, errors.New("length of the data")
	}
	for range obs {
		row := make([]*float64, vars)
		for i := range vars {
			if binary.LittleEndian.Uint16(types[2*i:]) == typeDouble {
				if x := math.Float64frombits(binary.LittleEndian.Uint64(data)); x <= maxDouble {
					row[i] = &x
				}
				data = data[8:]
				continue
			}
			if x := int32(binary.LittleEndian.Uint32(data)); x <= maxLong {
				f := float64(x)
				if labels[i] != nil {
					var ok bool
					if f, ok = labels[i][x]; !ok {
						return t, fmt.Errorf("variable %s has a value without label", t.names[i])
					}
				}
				row[i] = &f
			}
			data = data[4:]
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

// readLabels gives for each variable what its coded values stand for, nil if they stand for themselves. Factors were exported
// as 1, 2, ... with the original code as the label: sex 1 means 0.
func readLabels(b []byte, vars int) ([]map[int32]float64, error) {
	names, err := section(b, "<value_label_names>", "</value_label_names>")
	if err != nil || len(names) != 129*vars {
		return nil, errors.New("names of value labels")
	}
	rest, err := section(b, "<value_labels>", "</value_labels>")
	if err != nil {
		return nil, err
	}
	lists := map[string]map[int32]float64{}
	for len(rest) > 0 {
		l, err := section(rest, "<lbl>", "</lbl>")
		if err != nil {
			return nil, err
		}
		rest = rest[len("<lbl></lbl>")+len(l):]
		name, list, err := labelList(l)
		if err != nil {
			return nil, err
		}
		lists[name] = list
	}
	all := make([]map[int32]float64, vars)
	for i := range vars {
		name, _, _ := bytes.Cut(names[129*i:129*(i+1)], []byte{0})
		if len(name) > 0 {
			if all[i] = lists[string(name)]; all[i] == nil {
				return nil, fmt.Errorf("no value labels %s", name)
			}
		}
	}
	return all, nil
}

// labelList reads one list: length, name[129], padding[3], n, length of the texts, n offsets, n values, texts.
func labelList(l []byte) (string, map[int32]float64, error) {
	const head = 4 + 129 + 3
	if len(l) < head+8 {
		return "", nil, errors.New("value labels")
	}
	name, _, _ := bytes.Cut(l[4:4+129], []byte{0})
	n := int(binary.LittleEndian.Uint32(l[head:]))
	if n > 1000 || len(l) < head+8+8*n {
		return "", nil, fmt.Errorf("value labels %s", name)
	}
	offsets, values, texts := l[head+8:], l[head+8+4*n:], l[head+8+8*n:]
	list := map[int32]float64{}
	for i := range n {
		off := binary.LittleEndian.Uint32(offsets[4*i:])
		if int(off) >= len(texts) {
			return "", nil, fmt.Errorf("value labels %s", name)
		}
		text, _, _ := bytes.Cut(texts[off:], []byte{0})
		x, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return "", nil, fmt.Errorf("value labels %s: a label is no number", name)
		}
		list[int32(binary.LittleEndian.Uint32(values[4*i:]))] = x
	}
	return string(name), list, nil
}

// section is what lies between the first start and the first end after it.
func section(b []byte, start, end string) ([]byte, error) {
	_, rest, ok := bytes.Cut(b, []byte(start))
	if !ok {
		return nil, errors.New("no " + start)
	}
	s, _, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return nil, errors.New("no " + end)
	}
	return s, nil
}
