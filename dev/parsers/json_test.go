package parsers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/buger/jsonparser"
	"github.com/bytedance/sonic"
	"github.com/bytedance/sonic/ast"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"github.com/valyala/fastjson"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/jsonscan"
)

// accessLog is line i of an access log in JSON with the variables that most have.
func accessLog(i int) []byte {
	return fmt.Appendf(nil, `{"requestId":"%08x-3a83-11e9-8dc8-db3cf4c83204","extendedRequestId":"Vwc2%06xFUrPEFV=",`+
		`"ip":"203.0.113.%d","caller":"-","user":"-","requestTime":"05/Sep/2024:13:47:%02d +0000","requestTimeEpoch":"%d",`+
		`"httpMethod":"GET","resourcePath":"/orders/{id}","path":"/prod/orders/%d","status":"%d","protocol":"HTTP/1.1",`+
		`"responseLength":"%d","responseLatency":"%d","integrationLatency":"%d","integrationStatus":"200",`+
		`"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)","apiId":"uwe3g5jm54","stage":"prod"}`,
		uint32(i)*2654435761, i*7919%0xffffff, i%256, i%60, 1725544035523+i, i*31, 200+i%5, i*17%9000, i*13%700, i*11%600)
}

// reader hands over each member of an object, in their order where it keeps that. What
// is no JSON has to be found out, since it may be mended, or passed on as text.
type reader func(text []byte, member func(name, value []byte)) error

// readers are made anew for each benchmark: some keep memory from text to text.
var readers = []struct {
	name string
	make func() reader
}{
	{"jsonscan", newScan},
	{"go-json-experiment", newTokens},
	{"encoding-json", newStandard},
	{"sonic", newSonic},
	{"sonic-ast", newSonicTree},
	{"fastjson", newFast},
	{"gjson", newGJSON},
	{"jsonparser", newJSONParser},
}

func newScan() reader {
	return func(text []byte, member func(name, value []byte)) error {
		s := jsonscan.New(text)
		if !s.Take('{') {
			return jsonscan.ErrSyntax
		}
		for more := !s.Take('}'); more; more = s.Take(',') {
			name, err := s.Name()
			if err != nil {
				return err
			}
			value, err := s.Value()
			if err != nil {
				return err
			}
			member(name[1:len(name)-1], value)
		}
		if !s.Take('}') || !s.AtEnd() {
			return jsonscan.ErrSyntax
		}
		return nil
	}
}

func newTokens() reader {
	var (
		decoder jsontext.Decoder
		source  bytes.Reader
		name    []byte
	)
	return func(text []byte, member func(name, value []byte)) error {
		source.Reset(text)
		decoder.Reset(&source, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		if _, err := decoder.ReadToken(); err != nil {
			return err
		}
		for decoder.PeekKind() != jsontext.KindEndObject {
			raw, err := decoder.ReadValue()
			if err != nil {
				return err
			}
			name = append(name[:0], raw[1:len(raw)-1]...)
			if raw, err = decoder.ReadValue(); err != nil {
				return err
			}
			member(name, raw)
		}
		if _, err := decoder.ReadToken(); err != nil {
			return err
		}
		if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
			return errors.New("more than one value")
		}
		return nil
	}
}

func newStandard() reader {
	return func(text []byte, member func(name, value []byte)) error {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			return err
		}
		for name, value := range members {
			member([]byte(name), value)
		}
		return nil
	}
}

func newSonic() reader {
	return func(text []byte, member func(name, value []byte)) error {
		var members map[string]json.RawMessage
		if err := sonic.Unmarshal(text, &members); err != nil {
			return err
		}
		for name, value := range members {
			member([]byte(name), value)
		}
		return nil
	}
}

func newSonicTree() reader {
	return func(text []byte, member func(name, value []byte)) error {
		if !sonic.Valid(text) { // a tree is read as far as it is looked at
			return errors.New("invalid")
		}
		root, err := sonic.Get(text)
		if err != nil {
			return err
		}
		return root.ForEach(func(path ast.Sequence, node *ast.Node) bool {
			raw, err := node.Raw()
			member([]byte(*path.Key), []byte(raw))
			return err == nil
		})
	}
}

func newFast() reader {
	var (
		parser fastjson.Parser
		value  []byte
	)
	return func(text []byte, member func(name, value []byte)) error {
		root, err := parser.ParseBytes(text)
		if err != nil {
			return err
		}
		object, err := root.Object()
		if err != nil {
			return err
		}
		object.Visit(func(name []byte, v *fastjson.Value) {
			value = v.MarshalTo(value[:0]) // it does not keep what was there
			member(name, value)
		})
		return nil
	}
}

func newGJSON() reader {
	return func(text []byte, member func(name, value []byte)) error {
		if !gjson.ValidBytes(text) { // reading does not tell
			return errors.New("invalid")
		}
		gjson.ParseBytes(text).ForEach(func(name, value gjson.Result) bool {
			member([]byte(name.Str), []byte(value.Raw))
			return true
		})
		return nil
	}
}

// newJSONParser does not find out what is no JSON: it has no means to.
func newJSONParser() reader {
	return func(text []byte, member func(name, value []byte)) error {
		return jsonparser.ObjectEach(text, func(name, value []byte, kind jsonparser.ValueType, _ int) error {
			if kind == jsonparser.String { // without the quotes, so they are put on again
				value = append(append([]byte{'"'}, value...), '"')
			}
			member(name, value)
			return nil
		})
	}
}

// All readers find the same, so that comparing them means something.
func TestReadersAgree(t *testing.T) {
	t.Parallel()
	want := make(map[string]string)
	var parsed map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(accessLog(1), &parsed))
	for name, value := range parsed {
		want[name] = string(value)
	}
	for _, r := range readers {
		read := r.make()
		for range 2 {
			got := make(map[string]string)
			require.NoError(t, read(accessLog(1), func(name, value []byte) { got[string(name)] = string(value) }), r.name)
			require.Equal(t, want, got, r.name)
		}
		if r.name != "jsonparser" {
			require.Error(t, read([]byte(`{"status":-,"a":1}`), func([]byte, []byte) {}), r.name)
		}
	}
}

// BenchmarkJSON reads access logs, in bytes of their text.
func BenchmarkJSON(b *testing.B) {
	const lines = 1000
	texts := make([][]byte, lines)
	size := 0
	for i := range texts {
		texts[i] = accessLog(i)
		size += len(texts[i])
	}
	for _, r := range readers {
		b.Run(r.name, func(b *testing.B) {
			read := r.make()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			members := 0
			for b.Loop() {
				for _, text := range texts {
					if err := read(text, func([]byte, []byte) { members++ }); err != nil {
						b.Fatal(err)
					}
				}
			}
			if members != 19*lines*b.N {
				b.Fatalf("%d members in %d runs", members, b.N)
			}
		})
	}
}
