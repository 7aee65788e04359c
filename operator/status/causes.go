package status

import (
	"fmt"
	"strings"

	"github.com/log-event-pipeline/logpipe/workflows"
)

// Codes of problems that no activity reports as the type of an error.
const (
	CodeNoPipeline    = "NoPipeline"
	CodeNoStarter     = "NoStarter"
	CodeNoSlot        = "NoStarterSlot"
	CodeNoWorker      = "NoWorker"
	CodeTemporal      = "TemporalUnreachable"
	CodeReaderEnded   = "ReaderEnded"
	CodeGapStopped    = "GapStopped"
	CodeGap           = "Gap"
	CodeRoom          = "TooManyOpenWindows"
	CodeMemory        = "ReadMemory"
	CodeUndelivered   = "DeliveryBehind"
	CodeReading       = "ReadingBehind"
	CodeRateLimited   = "DeliveryRateReached"
	CodeQuarantined   = "Quarantined"
	CodeClockSkew     = "ClockSkew"
	CodePausedReading = "ReadingPaused"
	CodePausedDeliver = "DeliveryPaused"
)

// cause is what a person has to know of a type of failure.
type cause struct {
	severity Severity
	// says in a few words what is wrong.
	says string
	// advice is what to do, as sentences without the last full stop.
	advice string
	next   []string
}

// causes are all types of errors of docs/operations.md. In what to type next, $PIPELINE
// and $STREAM stand for these.
var causes = map[string]cause{
	"StreamUnavailable": {severity: Late, says: "Kinesis does not answer", advice: "it is tried again; if it lasts, look at the network of the starters and at the state of AWS"},
	"StreamThrottled": {severity: Late, says: "Kinesis throttles the reads", advice: "a shard serves 5 reads and 2 MB a second to all its consumers together: look who else reads the stream",
		next: []string{"aws kinesis list-stream-consumers --stream-arn \"$(aws kinesis describe-stream-summary --stream-name $STREAM --query StreamDescriptionSummary.StreamARN --output text)\""}},
	"StreamAccessDenied": {severity: Blocked, says: "AWS denies the starters access to the stream", advice: "allow their role kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords on the stream",
		next: []string{"logpipe check"}},
	"StreamKeyUnavailable": {severity: Blocked, says: "KMS denies access to the key of the stream, or the key is disabled", advice: "enable the key, and allow the starters' role kms:Decrypt on it; the command names the key",
		next: []string{"aws kinesis describe-stream-summary --stream-name $STREAM --query StreamDescriptionSummary.KeyId"}},
	"StreamNotFound": {severity: Blocked, says: "no stream has this name in the starters' region and account", advice: "set LOGPIPE_STREAM and AWS_REGION of the starters to where it is",
		next: []string{"aws kinesis list-streams"}},
	"StreamRecreated": {severity: Blocked, says: "the stream was deleted and made again", advice: "what was read is of another stream: set LOGPIPE_PIPELINE to a new name to read this one",
		next: []string{"aws kinesis describe-stream-summary --stream-name $STREAM --query StreamDescriptionSummary.StreamCreationTimestamp"}},
	"WrongStream": {severity: Blocked, says: "a starter is set to another stream than its pipeline", advice: "set its LOGPIPE_STREAM to $STREAM, or its LOGPIPE_PIPELINE to a new name",
		next: []string{"temporal task-queue describe --task-queue $PIPELINE/starter --task-queue-type activity"}},
	"WindowStartFailed": {severity: Late, says: "Temporal did not accept new windows", advice: "it is tried again; if it lasts, look at the limits of the namespace and at the state of Temporal",
		next: []string{"temporal operator cluster health"}},
	"BackfillRange": {severity: Late, says: "a backfill asks for records that are not there to be delivered again", advice: "the message says which range is missing; live traffic goes on, and another run can take a range that is there",
		next: []string{"logpipe backfill --help"}},
	"BackfillIncomplete": {severity: Late, says: "a backfill could not deliver all of its range", advice: "the message says of each shard why; the same command goes on with the rest"},
	CodePausedDeliver:    {severity: Late, says: "somebody has paused delivery", advice: "windows wait, and nothing is lost", next: []string{"logpipe resume delivery"}},
	"Stalled":            {severity: Late, says: "a starter was stopped for so long that what it had read is of no use", advice: "what it held is read again; if it comes back, the starters have too little CPU"},
	"Panic":              {severity: Blocked, says: "a fault of logpipe itself", advice: "report it with this message, and install a version without it"},
	"DestinationUnavailable": {severity: Late, says: "the API does not take the batches", advice: "nothing is lost, and it is tried again by itself: see to the API, or to the way there; to try at once",
		next: []string{"logpipe redrive --query \"LogpipeStatus = 'retrying'\" --yes"}},
	"DestinationRefused": {severity: Blocked, says: "the API refuses the batches", advice: "mend what its answer names, then have them tried again; what cannot be mended can be given up with `logpipe discard`"},
	"BatchTooLarge":      {severity: Blocked, says: "events are too large for the API", advice: "have the API's limit raised, then have them tried again; or give them up with `logpipe discard`"},
	"TokenRefused": {severity: Blocked, says: "the API refuses the tokens that it is sent", advice: "look at scope and audience of the token, and at the workers' clocks",
		next: []string{"temporal workflow describe --workflow-id $PIPELINE/token"}},
	"StageUnavailable": {severity: Late, says: "the stage cannot be read or written", advice: "see to the bucket or directory: does it answer, is it full, may the role read and write it?",
		next: []string{"logpipe check"}},
	"NotHere":        {severity: Warning, says: "a small window could not be formatted at once, because the stage was slow or away", advice: "an activity of its own does it; see to the stage if that goes on"},
	"StageObject":    {severity: Blocked, says: "objects that windows need are missing from the stage, or damaged", advice: "bring them back from the bucket's versions, then have the windows tried again; else discard them"},
	"TooManyBatches": {severity: Blocked, says: "windows make more batches than a history can hold", advice: "raise LOGPIPE_BATCH_MAX_BYTES or LOGPIPE_BATCH_MAX_EVENTS, restart the workers, then have them tried again"},
	"TemporalUnavailable": {severity: Late, says: "Temporal does not answer the workers' questions", advice: "it is tried again; if it lasts, look at the state of Temporal",
		next: []string{"temporal operator cluster health"}},
	"Timeout": {severity: Late, says: "a process was killed, or hangs, in the middle of its work", advice: "another one goes on; if it comes back, look whether the processes run out of memory or CPU, and whether what they wait for answers"},
	"TokenClientRefused": {severity: Blocked, says: "the token endpoint refuses the client", advice: "put the right client secret into its parameter, which is noticed within 15 s; or mend client_id, token_url or the other settings of the token and restart the workers; then, to try at once",
		next: []string{"temporal workflow signal --workflow-id $PIPELINE/token --name retry"}},
	"TokenEndpoint": {severity: Late, says: "the token endpoint does not give a token", advice: "it is tried again by itself: see to the endpoint; to try at once",
		next: []string{"temporal workflow signal --workflow-id $PIPELINE/token --name retry"}},
	"TokenNotRotated": {severity: Blocked, says: "nobody has put a new token into the parameter", advice: "have whoever rotates the token do so; it is looked for every 30 s"},
	"TokenUnavailable": {severity: Late, says: "there is no token to deliver with", advice: "it is tried again; if throttling of Parameter Store lasts, raise its throughput",
		next: []string{"temporal workflow describe --workflow-id $PIPELINE/token"}},
	"ParameterDenied": {severity: Blocked, says: "AWS denies the workers access to a parameter, or to its key", advice: "give their role ssm:GetParameter on both parameters, ssm:PutParameter on the token's, kms:Decrypt, kms:Encrypt and kms:GenerateDataKey on the keys",
		next: []string{"logpipe check"}},
	"ParameterForeign": {severity: Blocked, says: "the parameter of the token holds something else", advice: "name another one by LOGPIPE_TOKEN_PARAMETER, delete this one, or mend its content"},
	"ParameterMissing": {severity: Blocked, says: "the parameter of the client secret does not exist", advice: "create it, or mend LOGPIPE_CLIENT_SECRET_PARAMETER or AWS_REGION of the workers",
		next: []string{"aws ssm describe-parameters --query 'Parameters[].Name'"}},
	"ClientSecretUnchanged": {severity: Blocked, says: "the client secret that was refused is still the current one", advice: "put the right client secret into its parameter"},
}

// causeOf returns what is known about a failure. The message refines it where the type
// says too little.
func causeOf(f failure) cause {
	c, known := causes[f.kind]
	if !known {
		return cause{severity: Late, says: "failing: " + f.kind, advice: "the message says more; it is tried again"}
	}
	if f.kind != workflows.ErrorStageUnavailable {
		return c
	}
	text := strings.ToLower(f.message)
	for _, refined := range stageCauses {
		for _, word := range refined.words {
			if strings.Contains(text, word) {
				return cause{severity: Blocked, says: refined.says, advice: refined.advice, next: c.next}
			}
		}
	}
	return c
}

// stageCauses are what a stage that is unavailable can suffer from, by what S3 and file
// systems say.
var stageCauses = []struct {
	words        []string
	says, advice string
}{
	{[]string{"no space left", "quota", "disk full", "not enough space", "insufficientstorage"}, "the stage is full", "make room where stage_url leads to, or raise its quota; reading and delivery go on by themselves"},
	{[]string{"accessdenied", "access denied", "permission denied", "forbidden", "not authorized", "read-only"}, "the stage may not be read or written", "allow the role of starters and workers s3:GetObject, PutObject, DeleteObject and ListBucket there, and its key, or mend the owner of the directory"},
	{[]string{"nosuchbucket", "bucket does not exist"}, "the bucket of the stage does not exist", "create it, or mend LOGPIPE_STAGE_URL"},
}

// fill puts the names into a text of causes.
func (g *gathered) fill(text string) string {
	return strings.NewReplacer("$PIPELINE", g.pipeline, "$STREAM", orElse(g.report.Stream, "STREAM")).Replace(text)
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// problem makes one of a failure. who is what it is said of, such as "shard 3".
func (g *gathered) problem(f failure, who string) Problem {
	c := causeOf(f)
	p := Problem{Code: f.kind, Severity: c.severity, Summary: fmt.Sprintf("%s: %s", who, c.says), Detail: f.message, Advice: g.fill(c.advice), Next: []string{}}
	if !f.since.IsZero() {
		since := f.since.UTC()
		p.Since = &since
	}
	for _, command := range c.next {
		p.Next = append(p.Next, g.fill(command))
	}
	return p
}
