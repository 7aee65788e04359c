package apigateway

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

// logText makes n log events of a kind and returns them as the gzipped records
// that a subscription filter writes, with the size of the messages.
func logText(tb testing.TB, n int, line func(i int) string) (records []Record, textBytes int64) {
	tb.Helper()
	return groupText(tb, "/apigw/orders/access", n, line)
}

// groupText is logText for a log group.
func groupText(tb testing.TB, group string, n int, line func(i int) string) (records []Record, textBytes int64) {
	tb.Helper()
	const perRecord = 500
	for first := 0; first < n; first += perRecord {
		var body bytes.Buffer
		body.WriteString(`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"` + group + `",` +
			`"logStream":"5f1d7e84db6ed5a06b5e9d1b0e9b8a41","subscriptionFilters":["logpipe"],"logEvents":[`)
		for i := first; i < min(first+perRecord, n); i++ {
			if i > first {
				body.WriteByte(',')
			}
			text := line(i)
			textBytes += int64(len(text))
			quoted, err := jsontext.AppendQuote(nil, text)
			if err != nil {
				tb.Fatal(err)
			}
			fmt.Fprintf(&body, `{"id":"38480917865042697267627490045603633139480491%012d","timestamp":%d,"message":%s}`,
				i, 1725544035523+i, quoted)
		}
		body.WriteString(`]}`)
		var compressed bytes.Buffer
		w := gzip.NewWriter(&compressed)
		if _, err := w.Write(body.Bytes()); err != nil {
			tb.Fatal(err)
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
		records = append(records, Record{
			SequenceNumber: fmt.Sprintf("4959033827149025660855969253836157109539215%013d", first),
			Arrival:        time.UnixMilli(1725544040000),
			Data:           compressed.Bytes(),
		})
	}
	return records, textBytes
}

func accessLine(i int) string {
	return fmt.Sprintf(`{"requestId":"%08x-3a83-11e9-8dc8-db3cf4c83204","extendedRequestId":"Vwc2%06xFUrPEFV=",`+
		`"ip":"203.0.113.%d","caller":"-","user":"-","requestTime":"05/Sep/2024:13:47:%02d +0000","requestTimeEpoch":"%d",`+
		`"httpMethod":"GET","resourcePath":"/orders/{id}","path":"/prod/orders/%d","status":"%d","protocol":"HTTP/1.1",`+
		`"responseLength":"%d","responseLatency":"%d","integrationLatency":"%d","integrationStatus":"200",`+
		`"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)","apiId":"uwe3g5jm54","stage":"prod"}`,
		uint32(i)*2654435761, i*7919%0xffffff, i%256, i%60, 1725544035523+i, i*31, 200+i%5, i*17%9000, i*13%700, i*11%600)
}

func clfLine(i int) string {
	return fmt.Sprintf(`203.0.113.%d - - [05/Sep/2024:13:47:%02d +0000] "GET /orders/{id} HTTP/1.1" %d %d %08x-3a83-11e9-8dc8-db3cf4c83204 Vwc2%06xFUrPE=`,
		i%256, i%60, 200+i%5, i*17%9000, uint32(i)*2654435761, i*7919%0xffffff)
}

func csvLine(i int) string {
	return fmt.Sprintf(`203.0.113.%d,-,-,05/Sep/2024:13:47:%02d +0000,GET,/orders/{id},HTTP/1.1,%d,%d,%08x-3a83-11e9-8dc8-db3cf4c83204,Vwc2%06xFUrPE=`,
		i%256, i%60, 200+i%5, i*17%9000, uint32(i)*2654435761, i*7919%0xffffff)
}

func xmlLine(i int) string {
	return fmt.Sprintf(`<request id="%08x-3a83-11e9-8dc8-db3cf4c83204"> <ip>203.0.113.%d</ip> <caller>-</caller> <user>-</user> `+
		`<requestTime>05/Sep/2024:13:47:%02d +0000</requestTime> <httpMethod>GET</httpMethod> <resourcePath>/orders/{id}</resourcePath> `+
		`<status>%d</status> <protocol>HTTP/1.1</protocol> <responseLength>%d</responseLength> </request>`,
		uint32(i)*2654435761, i%256, i%60, 200+i%5, i*17%9000)
}

const benchTemplate = `$context.requestId,$context.requestTime,$context.httpMethod,$context.path,$context.status,$context.responseLatency,` +
	`"$context.identity.userAgent",$context.identity.sourceIp,$context.authorizer.tenantId,$context.error.message`

func templateLine(i int) string {
	return fmt.Sprintf(`%08x-3a83-11e9-8dc8-db3cf4c83204,05/Sep/2024:13:47:%02d +0000,GET,/prod/orders/%d,%d,%d,`+
		`"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",203.0.113.%d,blue,-`,
		uint32(i)*2654435761, i%60, i*31, 200+i%5, i*13%700, i%256)
}

const benchJSONTemplate = `{"rid":"$context.requestId","xid":"$context.extendedRequestId","t":$context.requestTimeEpoch,"line":"$context.httpMethod $context.path",` +
	`"s":$context.status,"ms":$context.responseLatency,"ua":"$context.identity.userAgent","ip":"$context.identity.sourceIp","tenant":"$context.authorizer.tenantId"}`

func jsonTemplateLine(i int) string {
	return fmt.Sprintf(`{"rid":"%08x-3a83-11e9-8dc8-db3cf4c83204","xid":"Vwc2%06xFUrPEFV=","t":%d,"line":"GET /prod/orders/%d",`+
		`"s":%d,"ms":%d,"ua":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)","ip":"203.0.113.%d","tenant":"blue"}`,
		uint32(i)*2654435761, i*7919%0xffffff, 1725544035523+i, i*31, 200+i%5, i*13%700, i%256)
}

func executionLine(i int) string {
	return fmt.Sprintf(`(%08x-3a83-11e9-8dc8-db3cf4c83204) Endpoint request headers: {x-amzn-lambda-integration-tag=%08x, `+
		`User-Agent=AmazonAPIGateway_uwe3g5jm54, X-Amzn-Trace-Id=Root=1-5c7674f4-%024x, Accept=application/json}`,
		uint32(i)*2654435761, i, i)
}

// executionRequest has the lines of one request with data trace, about 7 KB.
var executionRequest = []string{
	"Extended Request Id: Vwc2MGFU$nFV_g=",
	"Verifying Usage Plan for request: $r. API Key:  API Stage: uwe3g5jm54/prod",
	"API Key  authorized because method 'GET /orders/{id}' does not require API Key. Request will not contribute to throttle or quota limits",
	"Usage Plan check succeeded for API Key  and API Stage uwe3g5jm54/prod",
	"Starting execution for request: $r",
	"HTTP Method: GET, Resource Path: /orders/$n",
	"Method request path: {id=$n}",
	"Method request query string: {limit=20, sort=-created}",
	"Method request headers: {Accept=application/json, text/plain, */*, CloudFront-Viewer-Country=GB, CloudFront-Forwarded-Proto=https, " +
		"User-Agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko), X-Forwarded-Proto=https, " +
		"Host=uwe3g5jm54.execute-api.eu-west-2.amazonaws.com, X-Forwarded-Port=443, X-Amzn-Trace-Id=Root=1-5c7674f4-a3491d0a9c80$n191821b83, " +
		"X-Amz-Cf-Id=Hcd55qxuXLG3Eyo00VI-2W4d-aP8JKgZ19O2-c1hIp4aqiDK77RSXw==, X-Forwarded-For=203.0.113.7, 198.51.100.1, " +
		"Cookie=theme=dark; lang=en, Authorization=**********************************************$n}",
	"Method request body before transformations: ",
	"Endpoint request URI: https://lambda.eu-west-2.amazonaws.com/2015-03-31/functions/arn:aws:lambda:eu-west-2:123456789012:function:orders/invocations",
	"Endpoint request headers: {x-amzn-lambda-integration-tag=$r, Authorization=" + strings.Repeat("*", 280) + "37c4d7, X-Amz-Date=20190227T113100Z, " +
		"x-amzn-apigateway-api-id=uwe3g5jm54, X-Amz-Source-Arn=arn:aws:execute-api:eu-west-2:123456789012:uwe3g5jm54/prod/GET/orders, " +
		"Accept=application/json, User-Agent=AmazonAPIGateway_uwe3g5jm54, X-Amz-Security-Token=" + strings.Repeat("FwoGZXIvYXdzE", 40),
	`Endpoint request body after transformations: {"resource":"/orders/{id}","path":"/orders/$n","httpMethod":"GET","headers":{"Accept":"application/json",` +
		`"CloudFront-Viewer-Country":"GB","Host":"uwe3g5jm54.execute-api.eu-west-2.amazonaws.com","User-Agent":"Mozilla/5.0 (X11; Linux x86_64)",` +
		`"X-Amzn-Trace-Id":"Root=1-5c7674f4-a3491d0a9c80$n191821b83","X-Forwarded-For":"203.0.113.7, 198.51.100.1","X-Forwarded-Port":"443",` +
		`"X-Forwarded-Proto":"https"},"multiValueHeaders":{"Accept":["application/json"],"CloudFront-Viewer-Country":["GB"],` +
		`"Host":["uwe3g5jm54.execute-api.eu-west-2.amazonaws.com"],"User-Agent":["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"],` +
		`"X-Amzn-Trace-Id":["Root=1-5c7674f4-a3491d0a9c80$n191821b83"],"X-Forwarded-For":["203.0.113.7, 198.51.100.1"],"X-Forwarded-Port":["443"]` +
		strings.Repeat(" ", 200),
	"Sending request to https://lambda.eu-west-2.amazonaws.com/2015-03-31/functions/arn:aws:lambda:eu-west-2:123456789012:function:orders/invocations",
	"Received response. Status: 200, Integration latency: 31 ms",
	"Endpoint response headers: {Date=Wed, 27 Feb 2019 11:31:11 GMT, Content-Type=application/json, Content-Length=315, Connection=keep-alive, " +
		"x-amzn-RequestId=71952965-d5cc-4974-ae08-6e2138b2275c, X-Amz-Executed-Version=$LATEST, X-Amzn-Trace-Id=root=1-5c7674f4-a3491d0a9c80$n191821b83;sampled=1}",
	`Endpoint response body before transformations: {"statusCode":200,"headers":{"Content-Type":"application/json"},"body":"{\"id\":$n,` +
		`\"customer\":\"Ada Lovelace\",\"items\":[{\"sku\":\"A-$n\",\"count\":2},{\"sku\":\"B-$n\",\"count\":1}],\"total\":\"90.50\"}"}`,
	`Method response body after transformations: {"id":$n,"customer":"Ada Lovelace","items":[{"sku":"A-$n","count":2},{"sku":"B-$n","count":1}],"total":"90.50"}`,
	"Method response headers: {X-Amzn-Trace-Id=Root=1-5c7674f4-a3491d0a9c80$n191821b83, Content-Type=application/json, Cache-Control=no-cache, max-age=0}",
	"Successfully completed execution",
	"Method completed with status: 200",
	"AWS Integration Endpoint RequestId : 71952965-d5cc-4974-ae08-6e2138b2275c",
	"X-ray Tracing ID : Root=1-5c7674f4-a3491d0a9c80$n191821b83",
}

// executionText is line i of a log in which requests overlap, eight at a time.
func executionText(i int) string {
	const together = 8
	lines := len(executionRequest)
	block, within := i/(together*lines), i%(together*lines)
	request := block*together + within%together
	number := fmt.Sprintf("%04d", request)
	id := fmt.Sprintf("%08x-3a83-11e9-8dc8-db3cf4c83204", uint32(request)*2654435761)
	text := strings.NewReplacer("$r", id, "$n", number).Replace(executionRequest[within/together])
	if len(text) > 1024 {
		text = text[:1024] + " [TRUNCATED]"
	}
	return "(" + id + ") " + text
}

func applicationLine(i int) string {
	return fmt.Sprintf(`{"timestamp":"2024-09-05T13:47:%02d.523Z","level":"INFO","requestId":"%08x-3a83-11e9-8dc8-db3cf4c83204",`+
		`"message":"order placed","order":{"id":%d,"items":[{"sku":"A-%d","count":2}],"total":"%d.50"}}`,
		i%60, uint32(i)*2654435761, i, i*31, i%900)
}

// secretLine is a request as a function logs it that knows no better.
func secretLine(i int) string {
	return fmt.Sprintf(`{"level":"INFO","requestId":"%08x-3a83-11e9-8dc8-db3cf4c83204","headers":{"accept":"*/*",`+
		`"authorization":"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.%043d","cookie":"sid=%032x; theme=dark"},`+
		`"path":"/login?session_token=%016x","body":"{\"user\":\"u%d\",\"password\":\"hunter%d\"}"}`, uint32(i)*2654435761, i, i, i, i, i)
}

// discard is a sink that takes everything.
type discard struct{}

func (discard) Batch(context.Context, Batch) error            { return nil }
func (discard) Quarantine(context.Context, Quarantined) error { return nil }

func sequence(records ...Record) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// BenchmarkFormat measures from stored gzip records to serialised batches, in
// bytes of log text: access logs in their forms, the execution logs of whole
// requests, what passes through, and what is full of secrets. Redaction is on, but
// where the name says so.
func BenchmarkFormat(b *testing.B) {
	redactor, err := redact.New(redact.Options{})
	if err != nil {
		b.Fatal(err)
	}
	const events, requests = 10_000, 800
	lines := requests * len(executionRequest)
	executionLogs := func(executions Executions) formatCase {
		c := formatCase{logEvents: lines, options: Options{Executions: executions}}
		c.records, c.size = groupText(b, "API-Gateway-Execution-Logs_uwe3g5jm54/prod", lines, executionText)
		return c
	}
	text := func(line func(int) string, template string) formatCase {
		c := formatCase{logEvents: events}
		if template != "" {
			c.options.AccessLogTemplates = map[string]string{"/apigw/orders/*": template}
		}
		c.records, c.size = logText(b, events, line)
		return c
	}
	for _, bench := range []struct {
		name string
		kind Kind
		formatCase
	}{
		{"json", KindAccess, text(accessLine, "")},
		{"clf", KindAccess, text(clfLine, "")},
		{"csv", KindAccess, text(csvLine, "")},
		{"xml", KindAccess, text(xmlLine, "")},
		{"template", KindAccess, text(templateLine, benchTemplate)},
		{"template-json", KindAccess, text(jsonTemplateLine, benchJSONTemplate)},
		{"interactions", KindInteraction, executionLogs(ExecutionsInteractions)},
		{"lines", KindExecution, executionLogs(ExecutionsLines)},
		{"application", KindJSON, text(applicationLine, "")},
		{"text", KindText, text(executionLine, "")},
		{"secrets", KindJSON, text(secretLine, "")},
	} {
		bench.options.Region = "eu-west-2"
		b.Run(bench.name+"/unredacted", func(b *testing.B) { bench.run(b, bench.kind) })
		bench.options.Redactor = redactor
		b.Run(bench.name, func(b *testing.B) { bench.run(b, bench.kind) })
	}
}

// formatCase is something to format.
type formatCase struct {
	options   Options
	records   []Record
	size      int64 // bytes of log text
	logEvents int
}

func (c formatCase) run(b *testing.B, kind Kind) {
	b.Helper()
	formatter, err := New(c.options)
	if err != nil {
		b.Fatal(err)
	}
	var summary Summary
	format := func() {
		summary, err = formatter.Format(b.Context(), sequence(c.records...), discard{})
		if err != nil || summary.LogEvents() != c.logEvents || summary.Kinds[kind] != summary.Events {
			b.Fatalf("%+v, %v", summary, err)
		}
	}
	b.SetBytes(c.size)
	b.ReportAllocs()
	for b.Loop() {
		format()
	}
	events := float64(summary.Events)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
	b.ReportMetric(testing.AllocsPerRun(1, format)/events, "allocs/event")
	b.ReportMetric(float64(c.size)/events, "B-text/event")
}
