# The README is true: its SQL runs from top to bottom, in one session, and
# prints what the README says; blanks do not count.  It runs in a directory of
# its own, where the pictures come to be that the README shows.

use strict;
use warnings;

use Cwd;
use IPC::Run;
use KmeansTest;
use PostgreSQL::Test::Utils;
use Readme;
use Test::More;

my $node = kmeans_cluster('readme');
my $top = getcwd();
my $place = PostgreSQL::Test::Utils::tempdir;
my @blocks = blocks_of('README.md');
my @printed = run_blocks(@blocks);

cmp_ok(scalar(@blocks), '>', 20, 'the README has SQL in it');
foreach my $block (@blocks)
{
	my $printed = shift @printed;
	my $what = "SQL at line $block->{line} of README.md";

	if (!defined $printed)
	{
		fail("$what is reached");
	}
	elsif ($printed =~ /^(?:ERROR|FATAL|PANIC|psql):/m)
	{
		fail("$what runs");
		diag($printed);
	}
	elsif (defined $block->{output})
	{
		is(squeezed($printed), squeezed($block->{output}), "$what prints what is said");
	}
	else
	{
		is(squeezed($printed), '', "$what prints nothing that is not said");
	}
}

foreach my $picture (glob("$place/*.svg"))
{
	my ($name) = $picture =~ m,([^/]+)$,;

	ok(slurp_file($picture) eq slurp_file("test/demo/$name"), "$name is what the README shows");
}

$node->stop;
done_testing();

# The blocks of SQL that are to be run: line, sql, and output if it is given.
sub blocks_of
{
	my ($file) = @_;
	my @blocks;

	foreach my $piece (Readme::pieces($file))
	{
		push @blocks, { line => $piece->{line}, sql => $piece->{text} } if $piece->{kind} eq 'sql';
		$blocks[-1]->{output} = $piece->{text} if $piece->{kind} eq 'output';
	}
	return @blocks;
}

# What each block prints; fewer than there are blocks if one of them fails.
sub run_blocks
{
	my @blocks = @_;
	my $mark = '@@@ next block';
	my $script = join '', map { "\\echo '$mark'\n$_->{sql}" } @blocks;
	my $output = '';
	my @printed;

	symlink "$top/test", "$place/test" or die "symlink: $!";
	$node->safe_psql('postgres', 'CREATE DATABASE readme');
	IPC::Run::run(
		[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-P', 'pager=off', '-d', $node->connstr('readme') ],
		'<', \$script, '>&', \$output,
		init => sub { chdir $place or die "chdir: $!" });
	(undef, @printed) = split /^\Q$mark\E\n/m, $output;
	return @printed;
}

# Runs of blanks, and of the dashes under a heading, are as wide as it takes.
sub squeezed
{
	my ($text) = @_;

	$text =~ s/-{2,}/--/g;
	$text =~ s/\s+/ /g;
	$text =~ s/^ | $//g;
	return $text;
}
