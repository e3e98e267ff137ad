package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

const (
	// maxStudy bounds the persons of a study: what fits one upload.
	maxStudy = 1 << 20
	// maxStudyList bounds the file of their ids, and maxPersonID one id.
	maxStudyList = 30 << 20
	maxPersonID  = 64
)

// errList: the file is not a list of persons. What wraps it names a line and never a value.
var errList = errors.New("not a list of persons")

// parsePersons reads one person id per line, in the order of their slots. Lines end with LF or CRLF, the last one's may be left out. An id
// is exactly as in the dataset's person key, so integers are written without sign, leading zeros or spaces. An id that occurs
// twice would have two slots, and is refused.
func parsePersons(list []byte, integers bool) ([]string, error) {
	fail := func(line int, format string, args ...any) ([]string, error) {
		return nil, fmt.Errorf("%w: line %d: "+format, append([]any{errList, line}, args...)...)
	}
	if len(list) > maxStudyList {
		return nil, fmt.Errorf("%w: it has more than %d bytes", errList, maxStudyList)
	}
	list = bytes.TrimSuffix(list, []byte("\n"))
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: it is empty", errList)
	}
	if n := bytes.Count(list, []byte("\n")) + 1; n > maxStudy {
		return nil, fmt.Errorf("%w: it has more than %d lines", errList, maxStudy)
	}
	var out []string
	seen := map[string]int{}
	for raw := range bytes.SplitSeq(list, []byte("\n")) {
		id, line := string(bytes.TrimSuffix(raw, []byte("\r"))), len(out)+1
		switch {
		case id == "":
			return fail(line, "it is empty")
		case len(id) > maxPersonID:
			return fail(line, "it is longer than %d bytes", maxPersonID)
		case !utf8.ValidString(id):
			return fail(line, "it is not UTF-8")
		}
		for _, c := range id {
			if unicode.IsSpace(c) || !unicode.IsPrint(c) {
				return fail(line, "it holds a space or a character that is not printed")
			}
		}
		if integers {
			if n, err := strconv.ParseInt(id, 10, 64); err != nil || strconv.FormatInt(n, 10) != id {
				return fail(line, "it is not an integer in its shortest form, as person keys of this dataset are")
			}
		}
		if first, twice := seen[id]; twice {
			return fail(line, "the person is on line %d already", first)
		}
		seen[id] = line
		out = append(out, id)
	}
	return out, nil
}
