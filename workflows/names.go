package workflows

// Names by which workflows and activities are registered and started. They are
// in the histories of open workflows: a name is never changed, only added.
const (
	StreamReaderName = "StreamReader"
	ShardReaderName  = "ShardReader"
	FlushWindowName  = "FlushWindow"
	TokenKeeperName  = "TokenKeeper"
	BackfillName     = "Backfill"

	// Activities of the starter processes.
	ListShardsName   = "ListShards"
	ResolveStartName = "ResolveStart"
	PollShardName    = "PollShard"

	// Activities of the starter processes for a Backfill.
	PlanBackfillName  = "PlanBackfill"
	BackfillShardName = "BackfillShard"

	// Activities of the worker processes.
	FormatLogsName        = "FormatLogs"
	AcquireTokenName      = "AcquireToken"
	RefreshTokenName      = "RefreshToken"
	WatchClientSecretName = "WatchClientSecret"
	DeliverBatchesName    = "DeliverBatches"
	DeliverBatchName      = "DeliverBatch"
	SplitBatchName        = "SplitBatch"
	ClearStageName        = "ClearStage"
	KeepDiscardedName     = "KeepDiscarded"
	StartReadersName      = "StartReaders"
	SweepStageName        = "SweepStage"
)

// Signals, updates and queries.
const (
	// SignalShardDrained tells a StreamReader that a shard was read to its end.
	SignalShardDrained = "shard-drained"
	// SignalRedrive tells a FlushWindow to send what is parked again, and to try at once
	// what it waits for. It takes no input.
	SignalRedrive = "redrive"
	// SignalDiscard tells a parked FlushWindow to give up what is parked. It takes
	// no input.
	SignalDiscard = "discard"
	// SignalSkipGap tells a ShardReader that has stopped at a gap to read on behind it.
	// It takes no input.
	SignalSkipGap = "skip-gap"
	// SignalSetPaused tells a StreamReader that an operator pauses reading or delivery, or
	// has it go on. One signal for both, so that their order is kept. Its input is a
	// pausing.Request.
	SignalSetPaused = "set-paused"
	// SignalResume tells a FlushWindow that waits because delivery was paused that it may go
	// on. It takes no input and means nothing otherwise.
	SignalResume = "resume"
	// UpdateRefresh asks a TokenKeeper for a token other than a given version.
	UpdateRefresh = "refresh"
	// SignalRetry tells a TokenKeeper that is in trouble to try again at once. It takes no
	// input and means nothing otherwise.
	SignalRetry = "retry"
	// QueryState asks a TokenKeeper for its TokenKeeperState, and a Backfill for its
	// BackfillState.
	QueryState = "state"
)

// Types of the application errors that workflows act on. They are in histories
// and in operators' queries: a type is never changed, only added.
const (
	// ErrorTokenRefused: the destination answered 401, or the token has expired.
	ErrorTokenRefused = "TokenRefused"
	// ErrorDestinationRefused: the destination will never accept this batch.
	ErrorDestinationRefused = "DestinationRefused"
	// ErrorBatchTooLarge: the destination answered 413. SplitBatch makes smaller ones.
	ErrorBatchTooLarge = "BatchTooLarge"
	// ErrorDestinationUnavailable: the destination could not take the batch now.
	ErrorDestinationUnavailable = "DestinationUnavailable"
	// ErrorTokenUnavailable: neither the Parameter Store nor the TokenKeeper could give a
	// token now.
	ErrorTokenUnavailable = "TokenUnavailable"
	// ErrorTokenEndpoint: the token endpoint did not give a token.
	ErrorTokenEndpoint = "TokenEndpoint"
	// ErrorTokenClientRefused: the token endpoint refused the client. Asking again is
	// useless until somebody changes the secret, the settings or the endpoint.
	ErrorTokenClientRefused = "TokenClientRefused"
	// ErrorStageUnavailable: the stage could not be read or written.
	ErrorStageUnavailable = "StageUnavailable"
	// ErrorStageObject: a staged object is missing or damaged.
	ErrorStageObject = "StageObject"
	// ErrorNotHere: FormatLogs does not run in workflow tasks now, but as an activity.
	ErrorNotHere = "NotHere"
	// ErrorDeliveryPaused: an operator has paused delivery, so nothing was sent.
	ErrorDeliveryPaused = "DeliveryPaused"
	// ErrorPanic: the code of an activity is wrong.
	ErrorPanic = "Panic"
)
