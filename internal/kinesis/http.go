package kinesis

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// HTTPClient is the HTTP client for Kinesis: the SDK's own, with answers' bodies
// reduced to what the SDK needs. The SDK wraps a body in a type whose WriteTo, with
// a large answer from a fast server, sometimes reports a closed connection in the
// middle; hidden, the ordinary Read is used.
func HTTPClient() aws.HTTPClient {
	return plainBodies{awshttp.NewBuildableClient()}
}

type plainBodies struct{ next aws.HTTPClient }

func (c plainBodies) Do(req *http.Request) (*http.Response, error) {
	res, err := c.next.Do(req)
	if res != nil && res.Body != nil {
		res.Body = struct{ io.ReadCloser }{res.Body}
	}
	return res, err
}
