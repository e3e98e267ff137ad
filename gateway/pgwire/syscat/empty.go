package syscat

// emptyRelations are those that hold nothing: a catalogue has no indices, constraints, functions or rules. Clients ask all the same, so their columns
// are those of PostgreSQL 15.
var emptyRelations = map[string]string{
	"pg_attrdef": "oid adrelid adnum adbin",
	"pg_index": `indexrelid indrelid indnatts indnkeyatts indisunique indnullsnotdistinct indisprimary indisexclusion indimmediate indisclustered indisvalid
		indcheckxmin indisready indislive indisreplident indkey indcollation indclass indoption indexprs indpred`,
	"pg_constraint": `oid conname connamespace contype condeferrable condeferred convalidated conrelid contypid conindid conparentid confrelid confupdtype
		confdeltype confmatchtype conislocal coninhcount connoinherit conkey confkey conpfeqop conppeqop conffeqop confdelsetcols conexclop conbin`,
	"pg_proc": `oid proname pronamespace proowner prolang procost prorows provariadic prosupport prokind prosecdef proleakproof proisstrict proretset
		provolatile proparallel pronargs pronargdefaults prorettype proargtypes proallargtypes proargmodes proargnames proargdefaults protrftypes prosrc
		probin prosqlbody proconfig proacl`,
	"pg_inherits":              "inhrelid inhparent inhseqno inhdetachpending",
	"pg_policy":                "oid polname polrelid polcmd polpermissive polroles polqual polwithcheck",
	"pg_policies":              "schemaname tablename policyname permissive roles cmd qual with_check",
	"pg_trigger":               "oid tgrelid tgparentid tgname tgfoid tgtype tgenabled tgisinternal tgconstrrelid tgconstrindid tgconstraint tgdeferrable tginitdeferred",
	"pg_rewrite":               "oid rulename ev_class ev_type ev_enabled is_instead ev_qual ev_action",
	"pg_views":                 "schemaname viewname viewowner definition",
	"pg_matviews":              "schemaname matviewname matviewowner tablespace hasindexes ispopulated definition",
	"pg_indexes":               "schemaname tablename indexname tablespace indexdef",
	"pg_sequence":              "seqrelid seqtypid seqstart seqincrement seqmax seqmin seqcache seqcycle",
	"pg_sequences":             "schemaname sequencename sequenceowner data_type start_value min_value max_value increment_by cycle cache_size last_value",
	"pg_statistic_ext":         "oid stxrelid stxname stxnamespace stxowner stxstattarget stxkeys stxkind stxexprs",
	"pg_publication":           `oid pubname pubowner puballtables pubinsert pubupdate pubdelete pubtruncate pubviaroot`,
	"pg_publication_rel":       "oid prpubid prrelid prqual prattrs",
	"pg_publication_namespace": "oid pnpubid pnnspid",
	"pg_foreign_table":         "ftrelid ftserver ftoptions",
	"pg_foreign_server":        "oid srvname srvowner srvfdw srvtype srvversion srvacl srvoptions",
	"pg_foreign_data_wrapper":  "oid fdwname fdwowner fdwhandler fdwvalidator fdwacl fdwoptions",
	"pg_partitioned_table":     "partrelid partstrat partnatts partdefid partattrs partclass partcollation partexprs",
	"pg_enum":                  "oid enumtypid enumsortorder enumlabel",
	"pg_range":                 "rngtypid rngsubtype rngmultitypid rngcollation rngsubopc rngcanonical rngsubdiff",
	"pg_collation":             "oid collname collnamespace collowner collprovider collisdeterministic collencoding collcollate collctype colliculocale collversion",
	"pg_extension":             "oid extname extowner extnamespace extrelocatable extversion extconfig extcondition",
	"pg_depend":                "classid objid objsubid refclassid refobjid refobjsubid deptype",
	"pg_shdescription":         "objoid classoid description",
	"pg_tablespace":            "oid spcname spcowner spcacl spcoptions",
	"pg_language":              "oid lanname lanowner lanispl lanpltrusted lanplcallfoid laninline lanvalidator lanacl",
	"pg_cast":                  "oid castsource casttarget castfunc castcontext castmethod",
	"pg_operator":              "oid oprname oprnamespace oprowner oprkind oprcanmerge oprcanhash oprleft oprright oprresult oprcom oprnegate oprcode oprrest oprjoin",
	"pg_opclass":               "oid opcmethod opcname opcnamespace opcowner opcfamily opcintype opcdefault opckeytype",
	"pg_aggregate":             "aggfnoid aggkind aggnumdirectargs aggtransfn aggfinalfn",
	"pg_auth_members":          "roleid member grantor admin_option",
	"pg_event_trigger":         "oid evtname evtevent evtowner evtfoid evtenabled evttags",
	"pg_locks":                 "locktype database relation page tuple virtualxid transactionid classid objid objsubid virtualtransaction pid mode granted fastpath waitstart",
	"pg_stat_activity":         "datid datname pid usesysid usename application_name client_addr backend_start query_start state query",
	"pg_prepared_xacts":        "transaction gid prepared owner database",
	"pg_timezone_names":        "name abbrev utc_offset is_dst",
}
