package query

import (
	"os"
	"strings"
	"testing"

	"jali/gateway/catalog"
)

// TestStudyDocs: every question of docs/study.md is planned, on the catalogue that it is about.
func TestStudyDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/study.md")
	if err != nil {
		t.Fatal(err)
	}
	ds, err := catalog.Load("../../examples/cms10k/cms10k.yaml")
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]string{"rate": "incidence_rate", "rate-ratio": "rate_ratio", "km": "kaplan_meier", "logrank": "log_rank", "or": "odds_ratio", "mh": "mantel_haenszel"}
	vars, asked := map[string]string{}, 0
	for _, block := range strings.Split(string(text), "```sh\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		for _, words := range shell(block, vars) {
			if len(words) < 3 || words[0] != "jali" {
				continue
			}
			sql := words[len(words)-1]
			if words[1] == "analyze" {
				var args []string
				for i := 3; i < len(words); i++ {
					name := strings.TrimPrefix(words[i], "--")
					switch name {
					case "quote":
						continue
					case "error", "receipt", "result":
					case "at", "strata":
						args = append(args, name+" => ("+words[i+1]+")")
					default:
						args = append(args, name+" => "+words[i+1])
					}
					i++
				}
				sql = "SELECT * FROM " + functions[words[2]] + "(" + strings.Join(args, ", ") + ")"
			} else if words[1] != "query" {
				continue
			}
			asked++
			p, err := Compile(ds, sql)
			if err != nil {
				t.Errorf("%s: %v", sql, err)
			} else if p.Form != F0 || p.Items[0].S2.Int64() != 1 {
				t.Errorf("%s: %s with squared sensitivity %v, the page says one row per person", sql, p.Form, p.Items[0].S2)
			}
		}
	}
	if asked < 9 {
		t.Errorf("%d questions found: the page is not read right", asked)
	}
}

// shell splits commands into words as a shell does, as far as the page needs it: double quotes, variables, assignments.
func shell(text string, vars map[string]string) [][]string {
	var out [][]string
	var words []string
	var word strings.Builder
	quoted, some := false, false
	end := func() {
		if some {
			words = append(words, word.String())
		}
		word.Reset()
		some = false
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted, some = !quoted, true
		case c == '$':
			j := i + 1
			for j < len(text) && (text[j] == '_' || 'A' <= text[j] && text[j] <= 'Z') {
				j++
			}
			word.WriteString(vars[text[i+1:j]])
			some, i = true, j-1
		case quoted || c != ' ' && c != '\n':
			word.WriteByte(c)
			some = true
		case c == ' ':
			end()
		default:
			end()
			if len(words) == 1 {
				if name, value, ok := strings.Cut(words[0], "="); ok {
					vars[name] = value
				}
			}
			out, words = append(out, words), nil
		}
	}
	return out
}
