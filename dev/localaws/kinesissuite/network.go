package kinesissuite

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// network is what lies between a client and an endpoint. It can be told to answer in the endpoint's place.
type network struct {
	next awskinesis.HTTPClient

	mu      sync.Mutex
	answers map[string][]answer
	calls   map[string]int
}

// answer stands in for one of the endpoint. A nil lets the request through.
type answer func(next awskinesis.HTTPClient, req *http.Request) (*http.Response, error)

// client is a client like another one, over this network.
func (n *network) client(like *awskinesis.Client) *awskinesis.Client {
	return awskinesis.New(like.Options(), func(o *awskinesis.Options) { o.HTTPClient = n })
}

// set says how the next calls of an operation are answered.
func (n *network) set(operation string, answers ...answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.answers == nil {
		n.answers = map[string][]answer{}
	}
	n.answers[operation] = answers
}

// made is how many requests of an operation were made.
func (n *network) made(operation string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[operation]
}

// Do implements awskinesis.HTTPClient.
func (n *network) Do(req *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	if a := n.take(operation); a != nil {
		return a(n.next, req)
	}
	return n.next.Do(req)
}

func (n *network) take(operation string) answer {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.calls == nil {
		n.calls = map[string]int{}
	}
	n.calls[operation]++
	queue := n.answers[operation]
	if len(queue) == 0 {
		return nil
	}
	n.answers[operation] = queue[1:]
	return queue[0]
}

const amzJSON = "application/x-amz-json-1.1"

func respond(status int, contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {contentType}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), ProtoMajor: 1, ProtoMinor: 1,
	}
}

// refuse answers with an error of AWS.
func refuse(status int, code string) answer {
	return func(awskinesis.HTTPClient, *http.Request) (*http.Response, error) {
		return respond(status, amzJSON, fmt.Sprintf(`{"__type":%q,"message":"made by the suite"}`, code)), nil
	}
}

// page answers with what a proxy says when there is nobody behind it.
func page(status int) answer {
	return func(awskinesis.HTTPClient, *http.Request) (*http.Response, error) {
		return respond(status, "text/html", "<html>bad gateway</html>"), nil
	}
}

// lose loses the request.
func lose(awskinesis.HTTPClient, *http.Request) (*http.Response, error) {
	return nil, io.ErrUnexpectedEOF
}

// cut lets the request through and loses the end of the answer.
func cut(next awskinesis.HTTPClient, req *http.Request) (*http.Response, error) {
	res, err := next.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err := res.Body.Close(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), broken{}))
	return res, nil
}

// broken is a connection that was lost.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// nothing answers a read as Kinesis does over the gaps of a shard: no record, behind, and an iterator to go on with.
func nothing(_ awskinesis.HTTPClient, req *http.Request) (*http.Response, error) {
	asked, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(asked), `"ShardIterator":"`)
	iterator, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return nil, fmt.Errorf("request without an iterator: %s", asked)
	}
	return respond(http.StatusOK, amzJSON, fmt.Sprintf(`{"Records":[],"MillisBehindLatest":1000,"NextShardIterator":%q}`, iterator)), nil
}
