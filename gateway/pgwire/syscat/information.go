package syscat

var informationRelations map[string]func(e *engine) table

func init() {
	empty := func(columns string) func(*engine) table {
		return func(*engine) table { return build(columns, nil, nil) }
	}
	informationRelations = map[string]func(e *engine) table{
		"schemata": (*engine).schemata, "tables": (*engine).informationTables, "columns": (*engine).informationColumns,
		"views": empty("table_catalog table_schema table_name view_definition check_option is_updatable is_insertable_into"),
		"table_constraints": empty(`constraint_catalog constraint_schema constraint_name table_catalog table_schema table_name constraint_type is_deferrable
			initially_deferred enforced nulls_distinct`),
		"key_column_usage": empty(`constraint_catalog constraint_schema constraint_name table_catalog table_schema table_name column_name ordinal_position
			position_in_unique_constraint`),
		"constraint_column_usage": empty("table_catalog table_schema table_name column_name constraint_catalog constraint_schema constraint_name"),
		"referential_constraints": empty(`constraint_catalog constraint_schema constraint_name unique_constraint_catalog unique_constraint_schema
			unique_constraint_name match_option update_rule delete_rule`),
		"routines":  empty("specific_catalog specific_schema specific_name routine_catalog routine_schema routine_name routine_type data_type"),
		"sequences": empty("sequence_catalog sequence_schema sequence_name data_type"),
		"triggers":  empty("trigger_catalog trigger_schema trigger_name event_manipulation event_object_schema event_object_table"),
	}
}

func (e *engine) schemata() table {
	var rows []row
	for _, s := range e.view().spaces {
		rows = append(rows, row{"schema_name": s.name})
	}
	return build("catalog_name schema_name schema_owner default_character_set_catalog default_character_set_schema default_character_set_name sql_path",
		row{"catalog_name": e.Database, "schema_owner": owner}, rows)
}

func (e *engine) informationTables() table {
	var rows []row
	for _, t := range e.view().tables {
		rows = append(rows, row{"table_schema": t.schema, "table_name": t.name})
	}
	return build(`table_catalog table_schema table_name table_type self_referencing_column_name reference_generation user_defined_type_catalog
		user_defined_type_schema user_defined_type_name is_insertable_into is_typed commit_action`,
		row{"table_catalog": e.Database, "table_type": "BASE TABLE", "is_insertable_into": "NO", "is_typed": "NO"}, rows)
}

func (e *engine) informationColumns() table {
	var rows []row
	for _, t := range e.view().tables {
		for _, c := range t.columns {
			nullable, name := "YES", ""
			if c.notNull {
				nullable = "NO"
			}
			for _, x := range types {
				if x.oid == c.typ {
					name = x.name
				}
			}
			rows = append(rows, row{
				"table_schema": t.schema, "table_name": t.name, "column_name": c.name, "ordinal_position": c.number, "is_nullable": nullable,
				"data_type": formatType(c.typ), "udt_name": name, "dtd_identifier": text(c.number),
			})
		}
	}
	return build(`table_catalog table_schema table_name column_name ordinal_position column_default is_nullable data_type character_maximum_length
		character_octet_length numeric_precision numeric_precision_radix numeric_scale datetime_precision interval_type interval_precision
		character_set_catalog character_set_schema character_set_name collation_catalog collation_schema collation_name domain_catalog domain_schema
		domain_name udt_catalog udt_schema udt_name scope_catalog scope_schema scope_name maximum_cardinality dtd_identifier is_self_referencing
		is_identity identity_generation identity_start identity_increment identity_maximum identity_minimum identity_cycle is_generated
		generation_expression is_updatable`,
		row{
			"table_catalog": e.Database, "udt_catalog": e.Database, "udt_schema": "pg_catalog", "is_self_referencing": "NO", "is_identity": "NO",
			"identity_cycle": "NO", "is_generated": "NEVER", "is_updatable": "NO",
		}, rows)
}
