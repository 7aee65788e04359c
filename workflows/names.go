package workflows

// Names by which workflows and activities are registered and started. They are
// in the histories of open workflows: a name is never changed, only added.
const (
	StreamReaderName = "StreamReader"
	ShardReaderName  = "ShardReader"
	FlushWindowName  = "FlushWindow"
	TokenKeeperName  = "TokenKeeper"

	// Activities of the starter processes.
	ListShardsName   = "ListShards"
	ResolveStartName = "ResolveStart"
	PollShardName    = "PollShard"

	// Activities of the worker processes.
	FormatLogsName   = "FormatLogs"
	AcquireTokenName = "AcquireToken"
	RefreshTokenName = "RefreshToken"
	DeliverBatchName = "DeliverBatch"
	SplitBatchName   = "SplitBatch"
	ClearStageName   = "ClearStage"
	StartReadersName = "StartReaders"
	SweepStageName   = "SweepStage"
)

// Signals and updates.
const (
	// SignalShardDrained tells a StreamReader that a shard was read to its end.
	SignalShardDrained = "shard-drained"
	// SignalRedrive tells a parked FlushWindow to try again. It takes no input.
	SignalRedrive = "redrive"
	// SignalDiscard tells a parked FlushWindow to give up what is parked. It takes
	// no input.
	SignalDiscard = "discard"
	// SignalSkipGap tells a ShardReader that has stopped at a gap to read on behind it.
	// It takes no input.
	SignalSkipGap = "skip-gap"
	// UpdateRefresh asks a TokenKeeper for a token other than a given version.
	UpdateRefresh = "refresh"
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
	// ErrorStageObject: a staged object is missing or damaged.
	ErrorStageObject = "StageObject"
)
