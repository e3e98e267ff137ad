package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// sheet is a table for people (aligned) or for programs (CSV).
type sheet struct {
	head  []string
	right []bool // columns of numbers, aligned to the right
	rows  [][]string
}

func newSheet(head ...string) *sheet { return &sheet{head: head, right: make([]bool, len(head))} }

// numbers aligns the columns to the right.
func (s *sheet) numbers(columns ...int) *sheet {
	for _, c := range columns {
		s.right[c] = true
	}
	return s
}

func (s *sheet) add(cells ...string) { s.rows = append(s.rows, cells) }

const gap = "  "

// draw writes the aligned table with a bold head.
func (s *sheet) draw(w io.Writer, on ink) error {
	width := make([]int, len(s.head))
	shown := make([][]string, 0, len(s.rows)+1)
	for _, row := range append([][]string{s.head}, s.rows...) {
		line := make([]string, len(row))
		for i, text := range row {
			line[i] = cell(text)
			width[i] = max(width[i], utf8.RuneCountInString(line[i]))
		}
		shown = append(shown, line)
	}
	for r, line := range shown {
		var b strings.Builder
		for i, text := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(text))
			if i > 0 {
				b.WriteString(gap)
			}
			if s.right[i] {
				b.WriteString(pad + text)
			} else {
				b.WriteString(text + pad)
			}
		}
		text := strings.TrimRight(b.String(), " ")
		if r == 0 {
			text = on.bold(text)
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	return nil
}

// csv writes the table as RFC 4180 CSV, cells as they are.
func (s *sheet) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.WriteAll(append([][]string{s.head}, s.rows...)); err != nil {
		return fmt.Errorf("write csv: %w", err)
	}
	return nil
}
