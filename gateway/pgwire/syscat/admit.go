package syscat

import "strings"

// Bounds on what the C parser and the evaluation recurse over.
const (
	maxDepth     = 64  // parentheses and brackets
	maxOperators = 600 // signs that are no comma, dot or parenthesis
	maxWords     = 3000
	maxPrefix    = 8 // NOT, +, - in a row
	maxNesting   = 400
)

// admit bounds a text before the parser sees it. It does not recurse.
func admit(sql string) error {
	if len(sql) > maxBytes || strings.IndexByte(sql, 0) >= 0 {
		return refuse("54000", "a query on the system catalogue has at most %d bytes", maxBytes)
	}
	depth, operators, words, prefix, nesting := 0, 0, 0, 0, 0
	escapes := false
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == '\'' || c == '"':
			end := i + 1
			for end < len(sql) && sql[end] != c {
				if escapes && sql[end] == '\\' {
					end++
				}
				end++
			}
			i, prefix, escapes = end+1, 0, false
			words++
			continue
		case c == '$', strings.HasPrefix(sql[i:], "--"), strings.HasPrefix(sql[i:], "/*"):
			// The three ways in which a quote may stand and mean nothing.
			return refuse("0A000", "comments and dollar signs are not read in queries on the system catalogue")
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_':
			end := i + 1
			for end < len(sql) && (sql[end] >= 'a' && sql[end] <= 'z' || sql[end] >= 'A' && sql[end] <= 'Z' || sql[end] == '_' || sql[end] >= '0' && sql[end] <= '9') {
				end++
			}
			switch strings.ToLower(sql[i:end]) {
			case "not":
				prefix++
			case "case", "select", "union", "except", "intersect", "join", "collate", "is", "isnull", "notnull", "array", "operator":
				nesting++
				prefix = 0
			default:
				prefix = 0
			}
			// Right after this E, a quote opens a text with escapes.
			escapes = end == i+1 && (c == 'e' || c == 'E') && end < len(sql) && sql[end] == '\''
			i = end
			words++
		case c == '(' || c == '[':
			depth++
			i, prefix = i+1, 0
		case c == ')' || c == ']':
			depth--
			i, prefix = i+1, 0
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == ',' || c == '.' || c == ';' || c >= '0' && c <= '9':
			i, prefix = i+1, 0
		default:
			operators++
			if c == '-' || c == '+' || c == '~' || c == '@' || c == '!' {
				prefix++
			} else {
				prefix = 0
			}
			i++
		}
		if depth > maxDepth || operators > maxOperators || words > maxWords || prefix > maxPrefix || nesting > maxNesting {
			return refuse("54000", "the query on the system catalogue is too long or nested too deep")
		}
	}
	return nil
}
