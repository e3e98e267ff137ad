// Asks a gateway over JDBC and prints what it hears, a line per thing. Arguments: URL with everything in it.
import java.sql.*;

public class Client {
    public static void main(String[] args) throws Exception {
        try (Connection c = DriverManager.getConnection(args[0])) {
            DatabaseMetaData meta = c.getMetaData();
            System.out.println("product " + meta.getDatabaseProductName() + " " + meta.getDatabaseMajorVersion());
            try (ResultSet r = meta.getTables(null, null, "%", new String[] {"TABLE"})) {
                while (r.next()) System.out.println("table " + r.getString("TABLE_SCHEM") + "." + r.getString("TABLE_NAME"));
            }
            try (ResultSet r = meta.getColumns(null, "public", "nhefs", "wt%")) {
                while (r.next()) System.out.println("column " + r.getString("COLUMN_NAME") + " " + r.getString("TYPE_NAME"));
            }
            try (ResultSet r = meta.getPrimaryKeys(null, "public", "nhefs")) {
                System.out.println("keys " + r.next());
            }
            // More often than prepareThreshold, so that the server-side statement and binary results are used too.
            try (PreparedStatement s = c.prepareStatement("SELECT sex, COUNT(*) AS n, AVG(wt82_71) AS kg FROM nhefs WHERE age >= ? AND age_band <> ? GROUP BY sex")) {
                for (int i = 0; i < 7; i++) {
                    s.setInt(1, 30);
                    s.setString(2, "from 65");
                    try (ResultSet r = s.executeQuery()) {
                        while (r.next()) System.out.println("row " + i + " " + r.getLong("sex") + " " + r.getLong("n") + " " + (r.getObject("kg") instanceof Double));
                    }
                }
                System.out.println("parameters " + s.getParameterMetaData().getParameterCount() + " " + s.getMetaData().getColumnTypeName(2));
            }
            c.setAutoCommit(false);
            try (Statement s = c.createStatement()) {
                s.setFetchSize(1);
                try (ResultSet r = s.executeQuery("SELECT qsmk, COUNT(*) AS n FROM nhefs GROUP BY qsmk")) {
                    int rows = 0;
                    while (r.next()) rows++;
                    System.out.println("fetched " + rows);
                }
                c.commit();
                s.execute("SET jali.purpose = 'DUO:0000011'");
                s.executeQuery("SELECT COUNT(*) FROM nhefs WHERE age > 31");
            } catch (SQLException e) {
                System.out.println("refused " + e.getSQLState());
                c.rollback();
            }
        }
    }
}
