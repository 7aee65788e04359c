package temporal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	persistencespb "go.temporal.io/server/api/persistence/v1"
	"go.temporal.io/server/common"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/serialization"
	persistencesql "go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/common/searchattribute/sadefs"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// registerNamespaces creates the namespaces, or brings those that exist up to the options. It writes to the database
// before the server starts: a server that runs sees a new namespace or search attribute only seconds later.
func (s *storage) registerNamespaces(ctx context.Context, options Options) (err error) {
	db, err := persistencesql.NewSQLDB(sqlplugin.DbKindMain, s.config, resolver.NewNoopResolver(), log.NewNoopLogger(),
		metrics.NoopMetricsHandler)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, name := range options.Namespaces {
		if err := registerNamespace(ctx, db, name, options); err != nil {
			return fmt.Errorf("register namespace %q: %w", name, err)
		}
	}
	return nil
}

func registerNamespace(ctx context.Context, db sqlplugin.DB, name string, options Options) error {
	serializer := serialization.NewSerializer()
	rows, err := db.SelectFromNamespace(ctx, sqlplugin.NamespaceFilter{Name: &name})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	exists := len(rows) > 0
	detail := newNamespace(name)
	row := sqlplugin.NamespaceRow{ID: primitives.MustParseUUID(detail.Info.Id), Name: name}
	if exists {
		row = rows[0]
		if detail, err = serializer.NamespaceDetailFromBlob(persistence.NewDataBlob(row.Data, row.DataEncoding)); err != nil {
			return err
		}
	}
	before := proto.Clone(detail)
	detail.Config.Retention = durationpb.New(options.Retention)
	aliases, err := assignColumns(detail.Config.CustomSearchAttributeAliases, options.SearchAttributes)
	if err != nil {
		return err
	}
	detail.Config.CustomSearchAttributeAliases = aliases
	if exists && proto.Equal(before, detail) {
		return nil
	}
	blob, err := serializer.NamespaceDetailToBlob(detail)
	if err != nil {
		return err
	}
	row.Data, row.DataEncoding = blob.Data, blob.EncodingType.String()
	if exists {
		_, err = db.UpdateNamespace(ctx, &row)
	} else {
		_, err = db.InsertIntoNamespace(ctx, &row)
	}
	return err
}

func newNamespace(name string) *persistencespb.NamespaceDetail {
	return &persistencespb.NamespaceDetail{
		Info: &persistencespb.NamespaceInfo{
			Id:    uuid.NewString(),
			Name:  name,
			State: enumspb.NAMESPACE_STATE_REGISTERED,
		},
		Config: &persistencespb.NamespaceConfig{
			HistoryArchivalState:    enumspb.ARCHIVAL_STATE_DISABLED,
			VisibilityArchivalState: enumspb.ARCHIVAL_STATE_DISABLED,
		},
		ReplicationConfig: &persistencespb.NamespaceReplicationConfig{
			ActiveClusterName: clusterName,
			Clusters:          []string{clusterName},
		},
		FailoverVersion:             common.EmptyVersion,
		FailoverNotificationVersion: -1,
	}
}

// databaseColumns are the columns of the visibility schema that search attributes can be stored in, with their types.
func databaseColumns() map[string]enumspb.IndexedValueType {
	return sadefs.GetDBIndexSearchAttributes(nil).CustomSearchAttributes
}

// assignColumns gives each search attribute a column of its type. Attributes that have a column already keep it, also
// those that are no longer asked for: closed workflows still carry them.
func assignColumns(have map[string]string, wanted map[string]enumspb.IndexedValueType) (map[string]string, error) {
	columns := databaseColumns()
	byColumn := maps.Clone(have)
	if byColumn == nil {
		byColumn = make(map[string]string)
	}
	present := make(map[string]enumspb.IndexedValueType, len(byColumn))
	for column, name := range byColumn {
		present[name] = columns[column]
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		kind := wanted[name]
		if old, ok := present[name]; ok {
			if old != kind {
				errs = append(errs, fmt.Errorf("search attribute %q is stored as %v and cannot become %v", name, old, kind))
			}
			continue
		}
		column, ok := freeColumn(columns, byColumn, kind)
		if !ok {
			errs = append(errs, fmt.Errorf("search attribute %q: all columns of type %v are taken", name, kind))
			continue
		}
		byColumn[column] = name
	}
	return byColumn, errors.Join(errs...)
}

func freeColumn(columns map[string]enumspb.IndexedValueType, taken map[string]string, kind enumspb.IndexedValueType) (string, bool) {
	for _, column := range slices.Sorted(maps.Keys(columns)) {
		if _, used := taken[column]; columns[column] == kind && !used {
			return column, true
		}
	}
	return "", false
}

func checkSearchAttributes(attributes map[string]enumspb.IndexedValueType) error {
	available := make(map[enumspb.IndexedValueType]int)
	for _, kind := range databaseColumns() {
		available[kind]++
	}
	var errs []error
	used := make(map[enumspb.IndexedValueType]int)
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		kind := attributes[name]
		switch {
		case strings.TrimSpace(name) == "":
			errs = append(errs, errors.New("a search attribute has no name"))
		case sadefs.IsReserved(name):
			errs = append(errs, fmt.Errorf("search attribute %q: the name belongs to the server", name))
		case available[kind] == 0:
			errs = append(errs, fmt.Errorf("search attribute %q: type %v does not exist", name, kind))
		default:
			used[kind]++
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(used)) {
		if used[kind] > available[kind] {
			errs = append(errs, fmt.Errorf("%d search attributes of type %v: the database has columns for %d",
				used[kind], kind, available[kind]))
		}
	}
	return errors.Join(errs...)
}
