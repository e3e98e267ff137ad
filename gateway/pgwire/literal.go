package pgwire

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"jali/gateway/catalog"
)

// What a value of a parameter can be wrong with. None shows the value.
var (
	errNumber = errors.New("is not a plain number")
	errDate   = errors.New("is not a date")
	errText   = errors.New("is not one line of UTF-8 text of at most 256 bytes")
	errBinary = errors.New("has a binary form that is not read here")
)

// plainNumber is what a number may look like when it is written into a question.
var plainNumber = regexp.MustCompile(`^-?[0-9]{1,40}(\.[0-9]{1,20})?$`)

// maxLiteral is the longest text value.
const maxLiteral = 256

// literal is the one writer of parameters: what it returns is one literal of SQL, a number in parentheses if it is negative, a date or a text
// in quotes, or NULL, whatever the bytes are.
func (e encoder) literal(target catalog.Type, declared uint32, format int16, value []byte) (string, error) {
	if value == nil {
		return "NULL", nil
	}
	text, err := e.plainText(declared, format, value)
	if err != nil {
		return "", err
	}
	switch target {
	case catalog.Integer, catalog.Decimal:
		return numberLiteral(text)
	case catalog.Date:
		return dateLiteral(text)
	}
	return textLiteral(text)
}

// plainText is the value as text: as sent, or read from its binary form by the type that the client declared.
func (e encoder) plainText(declared uint32, format int16, value []byte) (string, error) {
	if declared == pgtype.BoolOID && format == formatText {
		if on, ok := truth(string(value)); ok {
			return map[string]string{"on": "1", "off": "0"}[on], nil
		}
		return "", errNumber
	}
	if format == formatText {
		return string(value), nil
	}
	switch declared {
	case 0, pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID, pgtype.UnknownOID:
		return string(value), nil
	case pgtype.BoolOID, pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID, pgtype.DateOID,
		pgtype.TimestampOID, pgtype.TimestamptzOID:
	default:
		return "", errBinary
	}
	t, ok := e.types.TypeForOID(declared)
	if !ok {
		return "", errBinary
	}
	v, err := t.Codec.DecodeDatabaseSQLValue(e.types, declared, pgtype.BinaryFormatCode, value)
	if err != nil {
		return "", errBinary
	}
	switch x := v.(type) {
	case bool:
		if x {
			return "1", nil
		}
		return "0", nil
	case int64:
		return strconv.FormatInt(x, 10), nil
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return "", errNumber
		}
		return strconv.FormatFloat(x, 'f', -1, 64), nil
	case string:
		return x, nil
	case time.Time:
		return x.UTC().Format("2006-01-02 15:04:05"), nil
	}
	return "", errBinary
}

// numberLiteral writes digits. A number with an exponent, as drivers write doubles, is written out when it is short.
func numberLiteral(s string) (string, error) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "+")
	if len(s) > 64 {
		return "", errNumber
	}
	if !plainNumber.MatchString(s) {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsInf(x, 0) || math.IsNaN(x) || math.Abs(x) > 1e18 {
			return "", errNumber
		}
		if s = new(big.Float).SetFloat64(x).Text('f', -1); !plainNumber.MatchString(s) {
			return "", errNumber
		}
	}
	if strings.HasPrefix(s, "-") {
		return "(" + s + ")", nil
	}
	return s, nil
}

// dateLiteral writes a day; a time at midnight is its day.
func dateLiteral(s string) (string, error) {
	day, rest, _ := strings.Cut(strings.TrimSpace(strings.Replace(s, "T", " ", 1)), " ")
	switch rest {
	case "", "00:00:00", "00:00:00+00", "00:00:00Z":
	default:
		return "", errDate
	}
	n, err := catalog.ParseDay(day)
	if err != nil {
		return "", errDate
	}
	return "DATE '" + catalog.DayValue(n).String() + "'", nil
}

// textLiteral quotes a text. Backslashes are themselves in SQL's plain quotes; control characters no value of a catalogue has.
func textLiteral(s string) (string, error) {
	if len(s) > maxLiteral || strings.ToValidUTF8(s, "") != s {
		return "", errText
	}
	for _, c := range []byte(s) {
		if c < ' ' || c == 0x7f {
			return "", errText
		}
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'", nil
}
