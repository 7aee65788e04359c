package kinesis

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// HTTPClient is the HTTP client for Kinesis: base, or the SDK's own where base is
// nil, with request bodies that the SDK cannot close.
//
// The SDK closes a request's body as soon as the answer begins. Where the answer
// comes fast, the transport has not seen the end of that body yet, takes the close
// for a failed request, and cuts the connection while a large answer is being read:
// "use of closed network connection", in up to 2 of 100 reads from a server on the
// same machine. Requests to Kinesis are small, so a copy costs nothing.
func HTTPClient(base aws.HTTPClient) aws.HTTPClient {
	if base == nil {
		base = awshttp.NewBuildableClient()
	}
	return ownBody{base}
}

type ownBody struct{ next aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c ownBody) Do(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return c.next.Do(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(body))
	return c.next.Do(req)
}
