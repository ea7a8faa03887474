# Readme - README.md, piece by piece.
#
# A piece is { line, kind, text }.  Its kind is
#
#     prose    what people read, blocks in other languages included
#     sql      a block fenced by ```sql: to be run
#     output   a block fenced by ``` that follows one of SQL at once: what psql
#              prints for it, NOTICEs included
#
# SQL fenced by ```sql no-run is prose: for the reader only.

package Readme;

use strict;
use warnings;

# The pieces of a file, in order.
sub pieces
{
	my ($file) = @_;
	my ($line, @pieces) = (1);

	open my $readme, '<', $file or die "$file: $!";
	my $text = do { local $/; <$readme> };
	close $readme;

	while ($text =~ /\G(.*?)^```([^\n]*)\n(.*?)^```\n/gcms)
	{
		my ($prose, $fence, $block) = ($1, $2, $3);
		my $after_sql = $prose eq '' && @pieces && $pieces[-1]->{kind} eq 'sql';
		my $start = $line + ($prose =~ tr/\n//);

		push @pieces, { line => $line, kind => 'prose', text => $prose } if $prose ne '';
		$line = $start + 2 + ($block =~ tr/\n//);
		push @pieces,
		  $fence eq 'sql' ? { line => $start, kind => 'sql', text => $block }
		  : $fence eq '' && $after_sql ? { line => $start, kind => 'output', text => $block }
		  : { line => $start, kind => 'prose', text => "```$fence\n$block```\n" };
	}
	push @pieces, { line => $line, kind => 'prose', text => substr($text, pos($text) // 0) };
	return @pieces;
}

# A psql script that shows the first SQL of the file and its tutorials: the
# prose as it stands, then each statement and what it prints today.
sub tour
{
	my ($file) = @_;
	my $script = "\\set ECHO queries\n";
	my $tutorial = 0;
	my $shown = 1;

	foreach my $piece (pieces($file))
	{
		if ($piece->{kind} eq 'prose')
		{
			foreach (split /^(?=## )/m, $piece->{text})
			{
				$shown = $tutorial = /^## Tutorial/ if /^## /;
				$script .= echo($_) if $shown;
			}
		}
		elsif ($piece->{kind} eq 'sql' && $shown)
		{
			$script .= $piece->{text};
			$shown = $tutorial;
		}
	}
	return $script;
}

# psql's command to print a text.
sub echo
{
	my ($text) = @_;

	$text =~ s/!\[[^\n]*\n//g;
	$text =~ s/([\\'])/$1$1/g;
	return join '', map { "\\echo '$_'\n" } split /\n/, $text;
}

1;
