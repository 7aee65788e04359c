// Package localaws is the part of AWS that the pipeline meets, in one process and in memory: Kinesis Data Streams,
// Systems Manager Parameter Store, CloudWatch Logs with subscription filters to Kinesis, and STS. It is one HTTP
// handler that any AWS SDK or the AWS CLI can use as its endpoint; credentials are accepted unseen.
//
// Quotas are enforced only when asked for (Config.Throttle). Faults are injected at run time, from Go
// ([Server.InjectFault]) or over HTTP:
//
//	GET    /_localaws/faults        lists the rules with how often each applied
//	POST   /_localaws/faults        adds one: {"service":"kinesis","operation":"GetRecords","error":"InternalFailure","share":0.2}
//	DELETE /_localaws/faults        ends all
//	DELETE /_localaws/faults/{id}   ends one
//	GET    /_localaws/health        answers 200
//	POST   /_localaws/flush         answers when all subscriptions are delivered
//	POST   /_localaws/expire-iterators
//	                                ends all shard iterators, as if five minutes had passed
//	POST   /_localaws/clock?behind=2m
//	                                puts the clock behind, so that what arrives now is old when it is right again
//
// One server is one account in one region. Where it decides what AWS leaves open, it takes the case that is harder
// for a client; where it does not implement something, it says so in the error instead of pretending.
package localaws
